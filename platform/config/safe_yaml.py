"""YAML into plain values, within bounds: what names code, nests too deeply, or grows as it is read is refused.

PyYAML's safe loader, with YAML 1.2's floats (`1e-4` is a text to YAML 1.1). An anchor counts as often as it is used,
so that nine lines cannot stand for a thousand million values.
"""

import re
from typing import Any

import yaml

MOST_BYTES = 1 << 20
MOST_VALUES = 100_000  # anchors written out; a text counts once more for every 64 letters. 256 sources have 25,000
DEEPEST = 64
LONGEST_NUMBER = 100  # letters

_LETTERS = 64
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
_HALF = re.compile("[\ud800-\udfff]")  # of a pair in UTF-16, as `"\\ud800"` makes
_NO_SUCH_VALUE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)  # `!!int x`, 2026-99-99


class _Loader(yaml.SafeLoader):
    """Counts what it composes, before anything is made of it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._count = self._depth = 0
        self._counts: dict[int, int] = {}  # by the id of a node, which lives as long as the document

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        place, is_alias, before = self.peek_event().start_mark, self.check_event(yaml.AliasEvent), self._count
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"more than {DEEPEST} values within each other", place)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            if id(node) not in self._counts:
                raise yaml.composer.ComposerError(None, None, "an anchor that holds itself", place)
            self._count += self._counts[id(node)]
        else:
            if isinstance(node, yaml.ScalarNode) and _HALF.search(node.value):
                raise yaml.composer.ComposerError(None, None, "half of a character, which no file can hold", place)
            self._count += 1 + (len(node.value) // _LETTERS if isinstance(node, yaml.ScalarNode) else 0)
            self._counts[id(node)] = self._count - before
        if self._count > MOST_VALUES:
            raise yaml.composer.ComposerError(None, None, f"more than {MOST_VALUES} values, anchors included", place)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag in _NUMBERS and len(node.value) > LONGEST_NUMBER:
            told = f"a number of {len(node.value)} digits"
            raise yaml.constructor.ConstructorError(None, None, told, node.start_mark)
        try:
            return super().construct_object(node, deep)
        except _NO_SUCH_VALUE as fault:
            told = f"no value of its kind ({fault})"
            raise yaml.constructor.ConstructorError(None, None, told, node.start_mark) from None


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$|^[-+]?\.\d+[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def parse_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """The one document's value, and the nodes that tell where its parts stand. Raises yaml.YAMLError."""
    if len(text) > MOST_BYTES:
        raise yaml.YAMLError(f"more than {MOST_BYTES} letters")
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return (loader.construct_document(root) if root is not None else None), root
    finally:
        loader.dispose()
