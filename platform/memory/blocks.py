"""One Arrow file a block of memories: written whole or not at all, read back mapped and without a copy."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from platform.memory.request import MemoryIdentity, Request

# N clips, T frames, S channels, h w grid cells


@dataclass(frozen=True)
class BlockStore:
    """The folder of stored memories on this machine (`Home.memory`)."""

    root: Path

    def path(self, identity: MemoryIdentity, request: Request) -> Path:
        return self.root / identity.folder(request) / f"{request.block:06d}.arrow"

    def read(self, identity: MemoryIdentity, request: Request) -> np.ndarray | None:
        """The stored block, (N, T-1, S, h, w), mapped and read-only; None where there is none or it is damaged."""
        path = self.path(identity, request)
        try:
            with pa.memory_map(str(path)) as source:
                column = pa.ipc.open_file(source).get_batch(0).column(0)
        except FileNotFoundError:
            return None
        except (pa.ArrowInvalid, OSError) as error:
            if getattr(error, "errno", None) is not None:
                raise  # not the file's fault: too many open files, no permission
            path.unlink(missing_ok=True)  # a short or foreign file is as good as none: it is computed again
            return None
        return column.to_numpy_ndarray()

    def write(self, identity: MemoryIdentity, request: Request, memories: np.ndarray) -> None:
        """Store (N, T-1, S, h, w), already rounded. Raises OSError; then nothing is stored."""
        path = self.path(identity, request)
        path.parent.mkdir(parents=True, exist_ok=True)
        column = pa.FixedShapeTensorArray.from_numpy_ndarray(memories)
        batch = pa.record_batch([column], names=[request.memory])
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
                writer.write_batch(batch)
            os.rename(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
