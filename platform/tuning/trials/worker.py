"""What a worker process carries from one trial to the next, and its return to how the worker began.

Reusing a worker saves its imports and its CUDA context, seconds a trial. What a trial changes in the process must not
reach the next one: the same settings and seed give the same weights in any worker.
"""

import contextlib
import ctypes
import gc
import importlib
import random
import warnings

import numpy as np
import torch


class Worker:
    """Takes note of PyTorch's global state where the worker begins; `reset` goes back to it before each trial."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._dtype = torch.get_default_dtype()
        self._matmul = torch.get_float32_matmul_precision()
        self._deterministic = torch.are_deterministic_algorithms_enabled()
        self._cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32)
        self._trial = contextlib.ExitStack()
        importlib.import_module("torch._dynamo")  # which the first optimiser would import
        gc.collect()
        gc.freeze()  # imports are some hundred thousand objects, which every later collection would walk through

    def reset(self, seed: int) -> None:
        """As it began, with every generator seeded. The last trial's target must be dropped before."""
        self._trial.close()
        self._trial.enter_context(warnings.catch_warnings())
        torch.set_num_threads(self._threads)
        torch.set_default_dtype(self._dtype)
        torch.set_float32_matmul_precision(self._matmul)
        torch.use_deterministic_algorithms(self._deterministic)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = self._cudnn
        torch.set_grad_enabled(True)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        self._free()

    @staticmethod
    def _free() -> None:
        """Memory of the last trial, which PyTorch and malloc would keep for later.

        Compiled code stays: it is a pure function, costs seconds to make, and `tmu_models` bounds how much there is.
        CUDA graphs belong to the training run, and went with it.
        """
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        with contextlib.suppress(AttributeError):  # a C library without it
            ctypes.CDLL(None).malloc_trim(0)
