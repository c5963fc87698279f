"""A search as a job of a Ray cluster: it goes on when the terminal that began it is closed, and can be joined again.

The job is named after the run folder, so that whoever knows that finds it, and numbered: a run that is gone on with is
another job, with a log of its own.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from ray.job_submission import JobStatus, JobSubmissionClient
from rich.console import Console
from tenacity import (
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

from platform.config.errors import UserError
from platform.storage.storage import without_slash
from platform.tuning.cluster.connecting import quiet_libraries

USUAL_PORT = 8265  # of Ray's dashboard, which takes jobs
AGAIN_S = 2.0  # until a cluster that did not answer is asked again
READY_S = 60.0  # that a cluster which has just started is waited for
MOST_BREAKS = 30  # in a row, before the cluster is held for gone
ENDS_WITHIN_S = 600  # after --stop, then Ray kills it; the last upload alone waits 300 s for storage that is away
BREAKS = (RuntimeError, OSError, aiohttp.ClientError)  # what Ray raises where a dashboard does not answer
Answer = TypeVar("Answer")


class Job:
    """The job of the run at `run`, an absolute path or a URI, on the cluster whose dashboard is at `address`."""

    def __init__(self, address: str, run: str) -> None:
        """Raises UserError where no dashboard answers there, or it does not let us in."""
        quiet_libraries()
        logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.ERROR)
        self.address, self.run = address, without_slash(run)
        name = re.sub(r"[^a-z0-9]+", "-", self.run.partition("?")[0].rpartition("/")[2].lower())
        self._name = f"tmu-{name}-{hashlib.sha256(self.run.encode()).hexdigest()[:8]}"
        self._printed = 0  # characters of its log
        try:
            self._client = JobSubmissionClient(_url(address))
            self._number = max((self._number_of(job.submission_id) for job in self._client.list_jobs()), default=0)
        except Exception as error:  # Ray raises RuntimeError, ConnectionError, or what `requests` does
            raise _not_reached(address, error) from None

    @property
    def id(self) -> str:
        """Of the newest that was submitted for this run."""
        return f"{self._name}-{self._number}"

    def submit(self, options: Sequence[str], yaml: Path | None) -> None:
        """Begin `python -m platform.search` with these options on the cluster, where `yaml` lies beside it.

        Raises UserError where a search of that run is going on there.
        """
        if (status := self._status()) is not None and not status.is_terminal():
            raise UserError(f"the search of {self.run} is running there. Join it: {self._command('--follow')}")
        self._number += 1
        with tempfile.TemporaryDirectory(prefix="tmu-") as folder:
            # Ray's own way to stop a job is SIGTERM, and SIGKILL after 3 s.
            stops = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": f"{ENDS_WITHIN_S}"}
            environment: dict[str, Any] = {"env_vars": {"PYTHONUNBUFFERED": "1", **stops}}
            if yaml is not None:
                shutil.copy(yaml, folder)
                environment["working_dir"] = folder
            command = shlex.join(["python", "-m", "platform.search", *options, "--address", "auto"])
            try:
                for attempt in Retrying(
                    retry=retry_if_exception(_is_too_early),
                    stop=stop_after_delay(READY_S),
                    reraise=True,
                    wait=wait_fixed(AGAIN_S),
                ):
                    with attempt:
                        self._client.submit_job(entrypoint=command, submission_id=self.id, runtime_env=environment)
            except RuntimeError as error:
                raise UserError(f"{self.address} refused the job: {_first_line(error)}") from None
            except OSError as error:
                raise _not_reached(self.address, error) from None

    def follow(self, console: Console) -> None:
        """Print the job's log as it grows, each line once, until it ends; a connection that breaks is made anew.

        Raises UserError where the job did not end well, or the cluster is gone.
        """
        while not (status := self._known_status()).is_terminal():
            with contextlib.suppress(*BREAKS):
                asyncio.run(self._print(console))
            time.sleep(AGAIN_S)
        log = self._asked(lambda: self._client.get_job_logs(self.id))
        self._show(console, log[self._printed :])
        if status != JobStatus.SUCCEEDED:
            raise UserError(
                f"the job has {status.value.lower()}. Its log: ray job logs {self.id} --address {self.address}"
            )

    def stop(self) -> None:
        """As Ctrl-C would; returns when it has ended. Raises UserError where it does not run, or had to be killed."""
        if self._known_status().is_terminal():
            raise UserError(f"no search of {self.run} runs at {self.address}.")
        began = time.monotonic()
        self._asked(lambda: self._client.stop_job(self.id))
        while not self._known_status().is_terminal():
            time.sleep(AGAIN_S)
        if time.monotonic() - began > ENDS_WITHIN_S:
            raise UserError(
                f"the search has not ended within {ENDS_WITHIN_S} s and was killed. What its trials had saved is kept: "
                f"{self._command('--resume')}"
            )

    def how_to_go_on(self) -> str:
        return f"The search goes on. Join it again: {self._command('--follow')}; end it: {self._command('--stop')}"

    async def _print(self, console: Console) -> None:
        """Its log as it grows, but for what was printed before."""
        passed = 0
        async for text in self._client.tail_job_logs(self.id):
            self._show(console, text[max(0, self._printed - passed) :])
            passed += len(text)

    def _show(self, console: Console, text: str) -> None:
        console.out(text, end="", highlight=False)
        self._printed += len(text)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """What the cluster answers, however often the connection breaks before. Raises UserError where it is gone."""
        again = retry_if_exception_type(BREAKS)
        patience = Retrying(retry=again, wait=wait_fixed(AGAIN_S), stop=stop_after_attempt(MOST_BREAKS), reraise=True)
        try:
            return patience(ask)
        except BREAKS as error:
            raise _not_reached(self.address, error) from None

    def _number_of(self, submission_id: str | None) -> int:
        """Which of this run's jobs it is, from 1 on; 0 where it is another's."""
        found = re.fullmatch(rf"{self._name}-(\d+)", submission_id or "")
        return int(found[1]) if found else 0

    def _status(self) -> JobStatus | None:
        known = {job.submission_id: job.status for job in self._asked(self._client.list_jobs)}
        return known.get(self.id)

    def _known_status(self) -> JobStatus:
        if (status := self._status()) is None:
            raise UserError(f"no search of {self.run} was submitted to {self.address}.")
        return status

    def _command(self, option: str) -> str:
        return f"python -m platform.search {option} {shlex.quote(self.run)} --submit {self.address}"


def _url(address: str) -> str:
    """Of Ray's dashboard: `auto`, `http://head:8265`, `head:8265` or `head`."""
    if address == "auto" or "://" in address:
        return address
    return f"http://{address}" if ":" in address else f"http://{address}:{USUAL_PORT}"


def _not_reached(address: str, error: BaseException) -> UserError:
    told = _first_line(error)
    if re.search(r"\b40[13]\b|[Uu]nauth|token", told):
        return UserError(
            f"--submit {address}: the cluster asks for a token: copy ~/.ray/auth_token from its head node (or set "
            "RAY_AUTH_TOKEN), and set RAY_AUTH_MODE=token."
        )
    return UserError(
        f"no Ray dashboard answers at {address!r} ({told}). Give that of the head node, port {USUAL_PORT}; from "
        f"elsewhere through a tunnel: ssh -L {USUAL_PORT}:localhost:{USUAL_PORT} HEAD, then --submit "
        f"localhost:{USUAL_PORT}."
    )


def _is_too_early(error: BaseException) -> bool:
    return "try again later" in str(error)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
