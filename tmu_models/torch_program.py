"""The program in a file of `torch.save`, read as data: nothing that it names is looked up or called.

A pickle is a program for a small machine. Only those instructions count here that put mappings, lists, texts and
numbers together; of the functions that it may name, a few stand for what they would make of a tensor, and anything
else is refused by name.
"""

import pickletools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

MOST_INSTRUCTIONS = 2_000_000  # a network of a thousand weights, with its optimiser, has a tenth of that

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# What may be named besides these and what is in `_CALLS`: it makes things that are no weights, so nothing is made.
_IDLE_MODULES = ("torch", "torch.cuda", "torch.storage", "torch.serialization", "torch._utils", "torch._tensor")
_IDLE_NAMES = ("collections.Counter", "collections.defaultdict", "_codecs.encode", "torch.nn.parameter.Buffer")
_BUILTINS = ("set", "frozenset", "list", "dict", "int", "float", "bytearray", "complex", "tuple", "bool", "str")

# Instructions that put what stands in them onto the stack.
_VALUES = frozenset(
    instruction
    for words in (
        "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE",
        "BINUNICODE8 STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8",
    )
    for instruction in words.split()
)


@dataclass(frozen=True)
class _Name:
    module: str
    name: str


@dataclass(frozen=True)
class Storage:
    dtype: torch.dtype
    key: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor, as the file describes it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        count = 1
        for side in self.shape:
            count *= side
        return count * self.storage.dtype.itemsize

    def of(self, numbers: torch.Tensor) -> torch.Tensor:
        """Raises ValueError where the tensor would reach beyond its storage."""
        last = self.offset + sum((side - 1) * step for side, step in zip(self.shape, self.stride, strict=True))
        if self.num_bytes and last >= len(numbers):
            raise ValueError("a tensor lies beyond its numbers")
        return numbers.as_strided(self.shape, self.stride, self.offset if self.num_bytes else 0)


class Idle:
    """Something that is no weight."""


def _plain_dict(pairs: Iterable[Any] = ()) -> dict[Any, Any]:
    filled: dict[Any, Any] = {}
    for key, value in pairs:
        _set(filled, key, value)
    return filled


def _set(target: Any, key: Any, value: Any) -> None:
    """Keys are texts and numbers: those of other kinds could take for ever to compare."""
    if isinstance(target, dict) and isinstance(key, (str, int, float)):
        target[key] = value
    elif not isinstance(target, (dict, Idle)):
        raise TypeError("something is put into what is no mapping")


def _view(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> View | Idle:
    if not isinstance(storage, Storage):
        return Idle()
    numbers = (offset, *shape, *stride)
    if not all(type(number) is int and 0 <= number < 1 << 62 for number in numbers) or len(shape) != len(stride):
        raise ValueError("a tensor has no sizes")
    if len(shape) > 16:
        raise ValueError(f"a tensor has {len(shape)} sides")
    return View(storage, offset, tuple(shape), tuple(stride))


# What stands for the functions that make weights and the mappings they lie in.
_CALLS: dict[_Name, Callable[..., Any]] = {
    _Name("collections", "OrderedDict"): _plain_dict,
    _Name("torch._utils", "_rebuild_tensor"): _view,
    _Name("torch._utils", "_rebuild_tensor_v2"): _view,
    _Name("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    _Name("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_: data,
    _Name("torch", "Size"): tuple,
}


def _known(module: str, name: str) -> _Name:
    found = _Name(module, name)
    is_idle = module in _IDLE_MODULES or f"{module}.{name}" in _IDLE_NAMES
    if found in _CALLS or is_idle or (module in ("builtins", "__builtin__") and name in _BUILTINS):
        return found
    raise ValueError(f"it names {module[:60]}.{name[:60]}")


class Machine:
    """One program. What it puts together are plain mappings, lists, texts, numbers, and `View` for tensors."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._copied = 0

    def run(self, program: Any) -> Any:
        """Read up to its end. Raises ValueError, LookupError or TypeError for one that is damaged or does too much."""
        for count, (instruction, argument, _) in enumerate(pickletools.genops(program)):
            if count > MOST_INSTRUCTIONS:
                raise ValueError("it has too many instructions")
            if instruction.name == "STOP":
                break
            self._do(instruction.name, argument)
        (found,) = self._stack
        return found

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self._marks.append(len(stack))
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._since_mark()
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_SET":
                stack.append(Idle())
            case "DICT":
                stack.append(_plain_dict(_pairs(self._since_mark())))
            case "LIST":
                stack.append(self._since_mark())
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._last(int(name[-1]))))
            case "SETITEM":
                key, value = self._last(2)
                _set(stack[-1], key, value)
            case "SETITEMS":
                items = self._since_mark()
                for key, value in _pairs(items):
                    _set(stack[-1], key, value)
            case "APPEND":
                (item,) = self._last(1)
                self._extend([item])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "GLOBAL":
                stack.append(_known(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(_known(*map(str, self._last(2))))
            case "REDUCE":
                function, arguments = self._last(2)
                self._copied += sum(len(each) for each in arguments if isinstance(each, (list, tuple, dict, str)))
                if self._copied > MOST_INSTRUCTIONS:
                    raise ValueError("it makes the same things again and again")
                stack.append(_CALLS[function](*arguments) if function in _CALLS else Idle())
            case "BUILD":  # attributes of a mapping, such as the versions of its modules
                stack.pop()
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case _ if name in _VALUES:
                stack.append(argument)
            case _:
                raise ValueError(f"it uses the instruction {name}")

    def _storage(self, told: Any) -> Storage | Idle:
        kind, of, key, _, count, *view = told
        if kind != "storage" or not isinstance(of, _Name) or not isinstance(key, str) or type(count) is not int:
            raise ValueError("it has numbers of an unknown kind")
        if of.name not in _DTYPES or view not in ([], [None]):
            return Idle()
        storage = Storage(_DTYPES[of.name], key, count)
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError("it describes the same numbers in two ways")
        return storage

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(items)
        elif not isinstance(self._stack[-1], Idle):
            raise TypeError("something is put into what is no list")

    def _since_mark(self) -> list[Any]:
        begin = self._marks.pop()
        found = self._stack[begin:]
        del self._stack[begin:]
        return found

    def _last(self, count: int) -> list[Any]:
        return [self._stack.pop() for _ in range(count)][::-1]


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(items[::2], items[1::2], strict=True)
