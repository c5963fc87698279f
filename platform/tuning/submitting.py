"""A search as a job of a Ray cluster: it goes on when the terminal that began it is closed, and can be joined again.

The job is named after the run folder, so that whoever knows that finds it.
"""

import asyncio
import hashlib
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.job_submission import JobStatus, JobSubmissionClient
from rich.console import Console
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from platform.config.errors import UserError
from platform.tuning.cluster import quiet_libraries

USUAL_PORT = 8265  # of Ray's dashboard, which takes jobs
AGAIN_S = 2.0  # until a log that broke off is asked for again
READY_S = 60.0  # that a cluster which has just started is waited for
MOST_BREAKS = 30  # in a row, before the cluster is held for gone


class Job:
    """The job of the run at `run`, an absolute path or a URI, on the cluster whose dashboard is at `address`."""

    def __init__(self, address: str, run: str) -> None:
        """Raises UserError where no dashboard answers there, or it does not let us in."""
        quiet_libraries()
        self.address, self.run = address, run
        self.id = (
            f"tmu-{re.sub(r'[^a-z0-9]+', '-', Path(run).name.lower())}-{hashlib.sha256(run.encode()).hexdigest()[:8]}"
        )
        try:
            self._client = JobSubmissionClient(_url(address))
        except Exception as error:  # Ray raises RuntimeError, ConnectionError, or what `requests` does
            raise _not_reached(address, error) from None

    def submit(self, options: Sequence[str], yaml: Path | None) -> None:
        """Begin `python -m platform.search` with these options on the cluster, where `yaml` lies beside it.

        Raises UserError where a search of that run is going on there.
        """
        if (status := self._status()) is not None:
            if not status.is_terminal():
                raise UserError(f"the search of {self.run} is running there. Join it: {self._command('--follow')}")
            self._client.delete_job(self.id)
        with tempfile.TemporaryDirectory(prefix="tmu-") as folder:
            environment: dict[str, Any] = {"env_vars": {"PYTHONUNBUFFERED": "1"}}
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

    def follow(self, console: Console) -> None:
        """Print the job's log as it grows, until it ends. Raises UserError where it did not end well."""
        printed, breaks = 0, 0
        while not (status := self._known_status()).is_terminal():
            try:
                printed = asyncio.run(self._print(console, printed))
                breaks = 0
            except (RuntimeError, OSError) as error:
                breaks += 1
                if breaks == MOST_BREAKS:
                    raise _not_reached(self.address, error) from None
            time.sleep(AGAIN_S)
        log = self._client.get_job_logs(self.id)
        console.out(log[printed:], end="", highlight=False)
        if status != JobStatus.SUCCEEDED:
            raise UserError(
                f"the job has {status.value.lower()}. Its log: ray job logs {self.id} --address {self.address}"
            )

    def stop(self) -> None:
        """What it has finished is kept. Raises UserError where it does not run."""
        if self._known_status().is_terminal():
            raise UserError(f"no search of {self.run} runs at {self.address}.")
        self._client.stop_job(self.id)
        while not self._known_status().is_terminal():
            time.sleep(AGAIN_S)

    def how_to_go_on(self) -> str:
        return f"The search goes on. Join it again: {self._command('--follow')}; end it: {self._command('--stop')}"

    async def _print(self, console: Console, printed: int) -> int:
        """Its log from that character on; how many there are by now."""
        skipped = 0
        async for text in self._client.tail_job_logs(self.id):
            new = text[max(0, printed - skipped) :]
            skipped += len(text)
            if new:
                console.out(new, end="", highlight=False)
                printed = skipped
        return printed

    def _status(self) -> JobStatus | None:
        known = {job.submission_id: job.status for job in self._client.list_jobs()}
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
