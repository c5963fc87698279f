"""Weights in safetensors files: no pickle, and nothing is set aside that the file does not hold.

The library compares every weight's place with the file's length; what it would still do is parse a header of 100 MB.
"""

import struct
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from platform.config.bounded import Refused, check_is_file

MOST_HEADER_BYTES = 4 << 20  # a hundred bytes a weight


def read_weights(path: Path, device: str = "cpu") -> dict[str, torch.Tensor]:
    """Raises OSErrors as they come, and Refused for any other file than one of plain weights."""
    check_is_file(path)
    with path.open("rb") as file:
        begin = file.read(8)
    if len(begin) < 8 or struct.unpack("<Q", begin)[0] > MOST_HEADER_BYTES:
        raise Refused("is cut off, or no safetensors file")
    try:
        return load_file(path, device=device)
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as fault:
        raise Refused(f"is damaged, or no safetensors file ({str(fault)[:200]})") from None
