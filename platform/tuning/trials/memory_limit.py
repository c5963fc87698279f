"""How much memory a trial may take, held to by the kernel or by CUDA, and what a trial that wanted more is told.

Ray's shares are bookkeeping: nothing stops a trial from taking what its neighbours were promised. Here its process is
stopped: on a GPU by PyTorch's allocator, in main memory by RLIMIT_DATA, with which Linux bounds private memory. (A
control group would kill the process instead, and nobody would learn why.) Either way the trial ends with a sentence
that names its needs.
"""

import contextlib
import re
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import ray
import torch

from platform.config.run import RunConfig
from platform.config.trial import TrialSettings
from platform.results.scores import readable_bytes
from platform.training.footprint import CONTEXT_BYTES
from platform.tuning.trials.preemption import Preempted

# How a lack of memory sounds where no class tells it: PyTorch's CPU allocator, C++, oneDNN, a thread's stack.
_ON_CPU = re.compile(
    r"DefaultCPUAllocator|an't allocate memory|annot allocate memory|bad_alloc|could not create a (?:primitive|memory)"
    r"|can't start new thread"
)
_ON_GPU = re.compile(r"CUDA error: out of memory|CU\w+_STATUS_ALLOC_FAILED")  # cuBLAS and cuDNN
# "you tried to allocate 1024 bytes", "Tried to allocate 2.00 GiB", "Unable to allocate 1.2 GiB for an array"
_ASKED = re.compile(r"(?:[Tt]ried|Unable) to allocate (?P<number>[\d.]+) ?(?P<unit>\w+)")


class TrialOutOfMemory(RuntimeError):
    """A trial wanted more memory than it may take. Its text names what it needs, and the repair."""


class GpuIsFull(Preempted):
    """The same of its share of a GPU, where it may be given a larger one and be tried again."""


@dataclass(frozen=True)
class MemoryLimit:
    """`gpu_share` of its GPU, in (0, 1), and `num_bytes` of main memory for its whole process; None: no limit."""

    gpu_share: float | None = None
    num_bytes: int | None = None
    may_grow: bool = False  # a trial that lacks memory of a GPU may be given more

    def of_this_worker(self) -> "MemoryLimit":
        """With the share of a GPU that Ray gave this process, where nodes give different ones."""
        if not self.may_grow:
            return self
        share = ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0)
        return replace(self, gpu_share=share if 0 < share < 1 else None)

    def hold(self) -> None:
        """From here on this process gets no more. Raises TrialOutOfMemory where it holds as much already.

        Comes before anything is allocated on a GPU.
        """
        if torch.cuda.is_available():
            torch.cuda.init()  # CUDA maps much private memory, which is not the trial's doing
            torch.cuda.reset_peak_memory_stats()
            if self.gpu_share is not None:
                # Of the share CUDA's own context takes a part, which PyTorch does not count.
                context = CONTEXT_BYTES / torch.cuda.get_device_properties(0).total_memory
                torch.cuda.set_per_process_memory_fraction(max(self.gpu_share / 2, self.gpu_share - context))
        if self.num_bytes is not None and sys.platform == "linux":
            held = _status_bytes("RssAnon")
            if held >= self.num_bytes:
                raise TrialOutOfMemory(
                    f"resources.memory_per_trial is {readable_bytes(self.num_bytes)}, of which a trial's process holds "
                    f"{readable_bytes(held)} before the trial begins; raise it"
                )
            # Linux counts what is mapped, touched or not; what is mapped by now is not this trial's doing.
            _set_soft_limit(_status_bytes("VmData") + self.num_bytes - held)

    def lift(self) -> None:
        """Main memory without a limit again."""
        if self.num_bytes is not None:
            _set_soft_limit(resource.getrlimit(resource.RLIMIT_DATA)[1])

    @contextlib.contextmanager
    def told(self, config: RunConfig, settings: TrialSettings) -> Iterator[None]:
        """Turns a lack of memory inside into TrialOutOfMemory, or into GpuIsFull where the trial may grow.

        The limit is lifted then: telling takes memory too.
        """
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self.lift()
            kind = GpuIsFull if self.may_grow and _is_of_gpu(error) else TrialOutOfMemory
            raise kind(f"{self._needs(error)}; it has {_sizes(config, settings)}. {self._repair(error)}") from None

    def _needs(self, error: BaseException) -> str:
        """What it may take, holds, and was refused."""
        if _is_of_gpu(error):
            allowed = f"{self.gpu_share or 1:.3g} of a GPU"
            held = torch.cuda.memory_reserved()
        else:
            allowed = "as much as the machine has" if self.num_bytes is None else readable_bytes(self.num_bytes)
            held = _status_bytes("RssAnon")
        asked = f" and asked for {size} more" if (size := asked_size(error)) else ""
        return f"out of memory: the trial may take {allowed}, holds {readable_bytes(held)}{asked}"

    def _repair(self, error: BaseException) -> str:
        of_gpu = "set resources.gpus_per_trial" if self.may_grow else "raise resources.gpus_per_trial"
        return f"Lower training.batch_size, or {of_gpu if _is_of_gpu(error) else 'raise resources.memory_per_trial'}"


def is_out_of_memory(error: BaseException) -> bool:
    """Is it for want of memory, whoever says so?"""
    return _is_of_gpu(error) or isinstance(error, MemoryError) or bool(_ON_CPU.search(str(error)))


def asked_size(error: BaseException) -> str | None:
    """`1.2 GiB`, where the error tells how much was asked for."""
    if (found := _ASKED.search(str(error))) is None:
        return None
    return readable_bytes(int(found["number"])) if found["unit"] == "bytes" else f"{found['number']} {found['unit']}"


def _is_of_gpu(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or bool(_ON_GPU.search(str(error)))


def _sizes(config: RunConfig, settings: TrialSettings) -> str:
    """The settings that a trial's memory grows with."""
    side, tmu = config.benchmark.frame_size, ""
    if settings.sources:
        gates = settings.tmu
        tmu = f" ({', '.join(settings.sources)}), tmu.layers {list(gates.layers)}, tmu.kernel_size {gates.kernel_size}"
    return (
        f"training.batch_size {config.training.batch_size}, hidden {list(config.network.hidden)}, "
        f"{config.benchmark.total_length} frames of {side}x{side}, {len(settings.sources)} sources{tmu}"
    )


def _set_soft_limit(num_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (num_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _status_bytes(field: str) -> int:
    """What Linux tells of this process. 0 elsewhere, where no limit is held."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0) * 1024
