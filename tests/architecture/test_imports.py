"""The arrows of the design: imports point left only, and Ray stays where it belongs.

    tmu_models -> config -> storage -> benchmarks, bank -> memory -> training -> tuning -> commands

Imports are read from the source with `ast`, wherever they stand, so one hidden in a function counts.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

# A layer, and the layers of ours that it may import besides itself.
LEFT_OF_TRAINING = {"tmu_models", "config", "storage", "benchmarks", "bank", "memory"}
MAY_IMPORT = {
    "naming": set(),
    "tmu_models": set(),
    "config": {"tmu_models"},
    "storage": {"config"},
    "benchmarks": {"tmu_models", "config", "storage"},
    "bank": {"tmu_models", "config", "storage"},
    "memory": {"tmu_models", "config", "storage", "benchmarks", "bank"},
    "training": LEFT_OF_TRAINING,
    "results": {"config", "storage", "bank", "tmu_models"},  # the last two when a run's network is asked for
    "reporting": {"config", "results"},
    "viewing": {"config", "results", "reporting"},
    "inspection": {"tmu_models", "config", "benchmarks", "training", "results"},
    "tuning": {*LEFT_OF_TRAINING, "training", "results", "reporting", "inspection"},
    "measure": {*LEFT_OF_TRAINING, "training"},
    "sizing": {*LEFT_OF_TRAINING, "training", "results", "tuning", "measure"},  # whole searches, measured
    "console": {"config", "naming"},
    "bench_sections": {*LEFT_OF_TRAINING, "results", "tuning", "measure", "sizing", "console"},
    "commands": {
        *LEFT_OF_TRAINING,
        "training",
        "results",
        "reporting",
        "viewing",
        "tuning",
        "measure",
        "sizing",
        "bench_sections",
        "naming",
        "console",
    },
}
MAY_IMPORT_RAY = {"memory", "tuning", "sizing", "commands"}
MAY_IMPORT_RAY_TUNE = {"tuning", "sizing"}
# Layers that stand on tuning: nobody imports them where Ray is missing.
STAND_ON_RAY = {"tuning", "sizing"}
# Within tuning, from the ground up: each imports those before it, and what lies beside these packages all of them.
WITHIN_TUNING = ["trials", "cluster", "keeping", "study"]
BENCHES_WITHOUT_RAY = ["platform.bench_sections." + name for name in ("step", "memory", "data")]


class Import(NamedTuple):
    """One import of one module: who asks, in which line, for what."""

    path: Path
    line: int
    module: str

    @property
    def layer(self) -> str:
        return layer_of(self.path)

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.module}"


def layer_of(path: Path) -> str:
    top, *rest = path.relative_to(ROOT).with_suffix("").parts
    if top == "tmu_models":
        return "tmu_models"
    return "console" if rest == ["console"] else rest[0] if len(rest) > 1 else "commands"


def target_layer(module: str) -> str | None:
    """The layer of ours that an imported module belongs to; None for everybody else's modules."""
    top, *rest = module.split(".")
    if top == "tmu_models":
        return "tmu_models"
    if top != "platform" or not rest:
        return None
    return rest[0] if rest[0] in MAY_IMPORT else "commands"


def floor_of_tuning(module: str) -> int:
    """Of `platform.tuning.study.space`: 3; -1 of what is not there at all."""
    if not within(module, "platform.tuning"):
        return -1
    part = "".join(module.split(".")[2:3])
    return WITHIN_TUNING.index(part) if part in WITHIN_TUNING else len(WITHIN_TUNING)


def sources() -> list[Path]:
    return sorted([*ROOT.glob("platform/**/*.py"), *ROOT.glob("tmu_models/**/*.py")])


def imports_of(path: Path) -> Iterator[Import]:
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:  # `from platform import bank` and `from ray import tune` name modules last
                yield Import(path, node.lineno, f"{base}.{alias.name}")


IMPORTS = [each for path in sources() for each in imports_of(path)]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def test_every_folder_of_the_package_is_a_layer_with_a_place() -> None:
    assert {layer_of(path) for path in sources()} <= set(MAY_IMPORT)


def test_imports_point_left_only() -> None:
    wrong = [
        str(each) for each in IMPORTS if target_layer(each.module) not in (None, each.layer, *MAY_IMPORT[each.layer])
    ]
    assert wrong == []


def test_imports_within_tuning_point_down_only() -> None:
    inside = [(each, floor_of_tuning(".".join(each.path.relative_to(ROOT).parts))) for each in IMPORTS]
    assert {floor for _, floor in inside} == set(range(-1, len(WITHIN_TUNING) + 1))
    assert [str(each) for each, floor in inside if floor >= 0 and floor_of_tuning(each.module) > floor] == []


def test_tmu_models_needs_torch_and_the_standard_library_only() -> None:
    allowed = {"torch", "tmu_models", *sys.stdlib_module_names}
    wrong = [str(each) for each in IMPORTS if each.layer == "tmu_models" and each.module.split(".")[0] not in allowed]
    assert wrong == []


def test_ray_is_imported_by_memory_tuning_sizing_and_the_commands_only() -> None:
    wrong = [str(each) for each in IMPORTS if within(each.module, "ray") and each.layer not in MAY_IMPORT_RAY]
    assert wrong == []


def test_ray_tune_is_imported_by_tuning_and_sizing_only() -> None:
    found = [each for each in IMPORTS if within(each.module, "ray.tune")]
    assert found, "the check itself finds nothing"
    assert [str(each) for each in found if each.layer not in MAY_IMPORT_RAY_TUNE] == []


def test_all_but_the_actors_the_tuning_and_the_commands_import_where_ray_is_missing() -> None:
    needs_ray = {each.path for each in IMPORTS if within(each.module, "ray")}
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources()
        if path not in needs_ray and layer_of(path) not in (*STAND_ON_RAY, "bench_sections", "console", "commands")
    ]
    assert "platform.training.run" in modules
    modules += BENCHES_WITHOUT_RAY
    code = f"""
import importlib, sys
sys.modules["ray"] = None  # from here on `import ray` raises ImportError
for module in {modules!r}:
    importlib.import_module(module)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr


def test_a_trial_starts_without_what_only_a_look_at_results_needs() -> None:
    """Each import is waited for by every process of a cluster."""
    code = "import sys, platform.search, platform.tuning.trials.trial; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "torch" in loaded
    assert loaded & {"scipy.stats", "plotly", "skimage", "torch._dynamo.symbolic_convert", "matplotlib"} == set()


@pytest.mark.parametrize("folder", ["platform", "tests", "search_spaces"])
def test_folders_that_must_not_be_packages_have_no_init(folder: str) -> None:
    """`platform` would replace the standard library's module; test files share base names."""
    inside = "**/__init__.py" if folder == "tests" else "__init__.py"
    assert list((ROOT / folder).glob(inside)) == []


def test_the_reader_of_imports_sees_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above are worth no more than this."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "platform" / "bank" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import ray.tune\n"
        "from ray import tune\n"
        "from . import card\n"
        "from ..tuning.study.space import Space\n"
        "def f():\n    import platform.memory.actor\n"
    )

    assert [each.module for each in imports_of(path)] == [
        "ray.tune",
        "ray.tune",
        "platform.bank.card",
        "platform.tuning.study.space.Space",
        "platform.memory.actor",
    ]
    assert [target_layer(each.module) for each in imports_of(path)] == [
        None,
        None,
        "bank",
        "tuning",
        "memory",
    ]
