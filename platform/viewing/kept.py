"""What was worked out of a run as it stands, kept for every browser that asks."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Part = TypeVar("Part")
MOST = 40  # all charts of a run, and the pictures of some of its trials


class Kept:
    """Of one version; the next one begins with nothing. Each part is made by whoever asks first."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._parts: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Part]) -> Part:
        """The part named `key`. Those that were last asked for are kept."""
        with self._lock:
            if key not in self._parts:
                self._parts[key] = make()
            self._parts.move_to_end(key)
            if len(self._parts) > MOST:
                self._parts.popitem(last=False)
            part: Part = self._parts[key]
            return part
