"""A node of a cluster, asked before it is given trials: one that cannot take part is named with the repair."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from platform.config.errors import UserError
from platform.results.run_folder import RunFolder
from platform.storage.storage import Storage

MOST_AT_ONCE = 64  # nodes that are asked side by side
ANSWER_S = 120.0  # a node that has just joined starts its first worker, which may import from a slow disk
PACKAGE = "transferable-memory"


@dataclass(frozen=True)
class Needed:
    """A file that every node must see as this machine does. `repair` ends the sentence that it does not."""

    path: Path
    repair: str


@dataclass(frozen=True)
class NodeCheck:
    """Compares nodes of the Ray that is initialised with this machine: their Python, the code of this package, the
    `needed` files, whether they can write to `folder`, where that is given and there, and to `storage`, and whether
    they can read `shared`, which TMU_REMOTE names."""

    needed: tuple[Needed, ...] = ()
    folder: Path | None = None
    storage: Storage | None = None
    shared: Storage | None = None

    @classmethod
    def of_run(cls, folder: RunFolder, needed: Iterable[Needed], shared: str | None = None) -> "NodeCheck":
        """Where trials leave checkpoints: in the run folder, or in its storage. `shared`: by its URI."""
        read = None if shared is None else Storage(shared)
        if folder.remote is not None:
            return cls(tuple(needed), storage=folder.remote, shared=read)
        return cls(tuple(needed), folder.path.absolute(), shared=read)

    def refuse_unfit(self) -> frozenset[str]:
        """The ids of the nodes that fit, among them this one, where it has work to do.

        Raises UserError that names each node that differs, with what to do there. One that is lost meanwhile is
        nobody's concern.
        """
        nodes = nodes_for_work()
        others = [node for node in nodes if node["NodeID"] != ray.get_runtime_context().get_node_id()]
        if others:
            with ThreadPoolExecutor(min(len(others), MOST_AT_ONCE)) as threads:
                told = list(threads.map(self.faults, others))
            if faults := [fault for each in told for fault in each]:
                raise UserError("\n".join(faults))
        return frozenset(node["NodeID"] for node in nodes)

    def faults(self, node: Mapping[str, Any]) -> list[str]:
        """Of one node as `ray.nodes()` gives it, each as a sentence with the repair."""
        paths = [str(each.path) for each in self.needed]
        with contextlib.ExitStack() as stack:
            token = None
            if self.folder is not None:
                file = stack.enter_context(tempfile.NamedTemporaryFile(dir=self.folder, prefix=".seen-by-nodes-"))
                token = file.name
            uri, shared = (None if each is None else each.uri for each in (self.storage, self.shared))
            mine = _asker()(paths, token, None, shared)
            try:
                theirs = answer_of(ask(node["NodeID"], _asker(), paths, token, uri, shared))
                wrong = list(_differences(mine, theirs, self))
            except NoAnswer as silence:
                wrong = [str(silence)] if lives(node) else []
        return [f"node {name_of(node)} {fault}" for fault in wrong]


def nodes_for_work() -> list[dict[str, Any]]:
    """Those that live and have a CPU to give."""
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]


def lives(node: Mapping[str, Any]) -> bool:
    """Still, so that it may be given trials."""
    return node["NodeID"] in {each["NodeID"] for each in nodes_for_work()}


def name_of(node: Mapping[str, Any]) -> str:
    """`gpu-3 (10.0.0.7)`"""
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


class NoAnswer(Exception):
    """Why a node does not tell what it was asked: the end of a sentence, and the repair."""


def ask(node: str, question: Callable[..., Any], *arguments: Any, max_calls: int = 0) -> "ray.ObjectRef[Any]":
    """By a task on the node of this id that needs nothing which others may hold. After `max_calls` of them its process
    ends; 0: it stays."""
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    task = ray.remote(num_cpus=0, max_calls=max_calls, max_retries=1, scheduling_strategy=where)(question)
    answer: ray.ObjectRef[Any] = task.remote(*arguments)
    return answer


def answer_of(asked: "ray.ObjectRef[Any]", timeout_s: float | None = None) -> Any:
    """Waits for `ANSWER_S`, or as long as it is told. Raises NoAnswer."""
    try:
        return ray.get(asked, timeout=ANSWER_S if timeout_s is None else timeout_s)
    except GetTimeoutError:
        with contextlib.suppress(RayError):
            ray.cancel(asked, force=True)
        raise NoAnswer(
            f"does not answer within {ANSWER_S:.0f} s. Look at it with `ray status`, or stop its Ray: `ray stop`."
        ) from None
    except RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise NoAnswer(
            f"cannot be asked ({reason}). Its Python must be the one here, with the same Ray: `ray stop` there."
        ) from error


def _asker() -> Callable[..., dict[str, Any]]:
    """A function that needs nothing of this package, so that it also runs where that is missing: what is defined in a
    function is sent whole."""

    def ask(paths: list[str], token: str | None, uri: str | None, shared: str | None = None) -> dict[str, Any]:
        import contextlib
        import hashlib
        import importlib.metadata
        import importlib.util
        import tempfile
        import uuid
        from pathlib import Path

        import platform

        def sha256(path: Path) -> str | None:
            try:
                return hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError:
                return None

        told: dict[str, Any] = {"python": platform.python_version(), "version": None, "code": None}
        told |= {"writes": "", "reads": ""}
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            told["version"] = importlib.metadata.version("transferable-memory")
            code = hashlib.sha256()
            for package in ("platform", "tmu_models"):
                spec = importlib.util.find_spec(package)
                for folder in (spec.submodule_search_locations or []) if spec is not None else []:
                    for path in sorted(Path(folder).rglob("*.py")):
                        code.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
            told["code"] = code.hexdigest()
        told["files"] = {path: sha256(Path(path)) for path in paths}
        if token is not None and not Path(token).is_file():
            told["writes"] = "is not seen"
        elif token is not None:
            try:
                tempfile.TemporaryFile(dir=Path(token).parent).close()
            except OSError as error:
                told["writes"] = f"cannot be written to ({error.strerror})"
        if uri is not None:
            try:
                from pyarrow import fs

                storage, root = fs.FileSystem.from_uri(uri)
                trace = f"{root.rstrip('/')}/.seen-by-nodes-{uuid.uuid4().hex}"
                storage.open_output_stream(trace).close()
                storage.delete_file(trace)
            except (ImportError, OSError, ValueError) as error:
                told["writes"] = f"cannot be written to ({str(error).strip()[:300]})"
        if shared is not None:
            try:
                from pyarrow import fs

                storage, root = fs.FileSystem.from_uri(shared)
                storage.get_file_info(fs.FileSelector(root.rstrip("/")))
            except (ImportError, OSError, ValueError) as error:
                told["reads"] = str(error).strip()[:300]
        return told

    return ask


def _differences(mine: Mapping[str, Any], theirs: Mapping[str, Any], check: NodeCheck) -> Iterable[str]:
    """The end of a sentence for each."""
    if (python := theirs["python"]).split(".")[:2] != mine["python"].split(".")[:2]:
        yield f"has Python {python}, this machine {mine['python']}. Start its Ray from an environment with that."
    install = f"`pip install {PACKAGE}=={mine['version']}` there, and start its Ray anew from that environment."
    if theirs["version"] is None:
        yield f"lacks {PACKAGE}: {install}"
        return  # nothing else can be put right before
    if theirs["version"] != mine["version"]:
        yield f"has {PACKAGE} {theirs['version']}, this machine {mine['version']}: {install}"
    elif theirs["code"] != mine["code"]:
        yield f"has other code of {PACKAGE} {mine['version']} than this machine: install the same, and start it anew."
    for each in check.needed:
        seen, expected = theirs["files"][str(each.path)], mine["files"][str(each.path)]
        if seen != expected:
            fault = "does not see" if seen is None else "sees something else at"
            yield f"{fault} {each.path}. {each.repair}"
    reach = (
        "Start its Ray with the credentials of that storage in the environment, as here, and let it reach the network."
    )
    if theirs["reads"] and not mine["reads"]:
        yield f"cannot read {check.shared}, which TMU_REMOTE names ({theirs['reads']}). {reach}"
    if theirs["writes"] and check.storage is not None:
        yield f"is of no use: from there {check.storage} {theirs['writes']}. {reach}"
    elif theirs["writes"]:
        yield (
            f"is of no use: from there the run folder {check.folder} {theirs['writes']}. Give a --run-dir on a file "
            "system that all nodes share, or storage that they reach: s3://bucket/runs/NAME."
        )
