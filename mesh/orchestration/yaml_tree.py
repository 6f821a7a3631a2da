"""The part of YAML that people mean, read into a tree whose every value knows its line.

YAML allows more than a file for people needs, and some of it bites: a key twice (the first is
silently lost), aliases (nine of them grow to gigabytes), tags that make objects, keys that are
lists, words such as `no` that turn into false. None of that is taken. A mapping has text keys, each
once; a scalar without quotes is null, true, false or a number where it looks like one, and text
otherwise. The tree is made from the parser's events, so what is nested too deep is refused before
anything recurses.

Any bytes give a tree or a `YamlError` with the line where reading ended.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, cast

import yaml

__all__ = ["Node", "Scalar", "YamlError", "plain", "read_tree"]

YAML_SIZE_MAX = 64 << 10
"""Largest file read, bytes."""
DEPTH_MAX = 16
"""Most mappings and lists inside each other."""
SCALAR_SIZE_MAX = 1024
"""Longest text or number, characters."""
EXCERPT_SIZE_MAX = 60
"""Characters of a wrong value that are shown."""

_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})")
_SURROGATE = re.compile("[\ud800-\udfff]")

Scalar = str | int | float | bool | None


class YamlError(Exception):
    """Bytes that are no such YAML.

    Attributes:
        line: where, from 1.
        column: where in it, from 1.
    """

    def __init__(self, message: str, line: int, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file.

    Attributes:
        line: where it begins, from 1; for a value of a mapping that is where the value begins.
        column: where in that line, from 1.
        value: what it is.
        keys: of a mapping, where each key stands: line and column.
    """

    line: int
    column: int
    value: "Scalar | tuple[Node, ...] | dict[str, Node]"
    keys: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])


def plain(node: Node) -> object:
    """Return a tree as the mappings, lists and scalars that it stands for."""
    if isinstance(node.value, dict):
        return {key: plain(inner) for key, inner in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(inner) for inner in node.value]
    return node.value


def read_tree(data: bytes) -> Node:
    """Return the tree of one YAML document. Total.

    Raises:
        YamlError: the bytes are none, or use what is not taken here.
    """
    if len(data) > YAML_SIZE_MAX:
        raise YamlError(f"the file is larger than {YAML_SIZE_MAX} bytes: it is no such file", 1)
    text = _decoded(data)
    events: list[yaml.Event] = []
    try:
        events.extend(_events(text))
    except yaml.MarkedYAMLError as error:
        line, column = _place(error.problem_mark or error.context_mark)
        raise YamlError(f"no YAML: {_sentence(error)}", line, column) from None
    except yaml.reader.ReaderError as error:
        line = 1 + text.count("\n", 0, error.position)
        raise YamlError(
            f"no YAML: the character {chr(error.character)!r} may not stand there", line
        ) from None
    except (ValueError, OverflowError):  # an escape such as "\\UFFFFFFFF", which chr refuses
        line, column = _place(events[-1].end_mark if events else None)
        raise YamlError("no YAML: behind this no such character exists", line, column) from None
    if not events:
        raise YamlError("the file is empty", 1)
    return _Reader(events).document()


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise YamlError(f"byte 0x{data[error.start]:02x} is no UTF-8 text", line) from None


def _sentence(error: yaml.MarkedYAMLError) -> str:
    parts = (error.context, error.problem)
    return " ".join(" ".join(part for part in parts if part).split()) or "it cannot be read"


class _Mark(Protocol):
    """Where something is, counted from 0."""

    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...


def _place(mark: _Mark | None) -> tuple[int, int]:
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield the events between the ends of the one document; refuse what is not taken."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line, column = _place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlError("a second document begins: expected one in a file", line, column)
        elif isinstance(event, yaml.AliasEvent):
            raise YamlError(f"alias *{event.anchor:.40}: write the value out", line, column)
        elif isinstance(event, yaml.NodeEvent):
            _check_plainly_written(event, line, column)
            depth += isinstance(event, yaml.CollectionStartEvent)
            if depth > DEPTH_MAX:
                raise YamlError(f"nested more than {DEPTH_MAX} deep", line, column)
            yield event
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            yield event


def _check_plainly_written(event: yaml.NodeEvent, line: int, column: int) -> None:
    if event.anchor is not None:
        raise YamlError(f"anchor &{event.anchor:.40}: write the value out", line, column)
    tag = cast("str | None", getattr(event, "tag", None))
    if tag is not None:
        raise YamlError(f"tag {tag!r:.40}: expected a plain value", line, column)
    if isinstance(event, yaml.ScalarEvent) and len(event.value) > SCALAR_SIZE_MAX:
        raise YamlError(
            f"{event.value[:20]!r}… has {len(event.value)} characters: expected at most "
            f"{SCALAR_SIZE_MAX}",
            line,
            column,
        )
    if isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
        raise YamlError(f"{event.value[:20]!r} is half a character: write it whole", line, column)


class _Reader:
    """Makes the tree from events; they are balanced, and not deep."""

    def __init__(self, events: list[yaml.Event]) -> None:
        self._events = iter(events)

    def document(self) -> Node:
        return self._node(next(self._events))

    def _node(self, event: yaml.Event) -> Node:
        line, column = _place(event.start_mark)
        if isinstance(event, yaml.ScalarEvent):
            return Node(line, column, _scalar(event))
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(inner))
            return Node(line, column, tuple(items))
        return self._mapping(line, column)

    def _mapping(self, line: int, column: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            at = _place(event.start_mark)
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlError("a key is a list or a mapping: expected a word", *at)
            key = event.value
            if key in values:
                first = keys[key][0]
                raise YamlError(f"{_shown(key)} is there twice, first in line {first}", *at)
            keys[key] = at
            values[key] = self._node(next(self._events))
        return Node(line, column, values, keys)


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    text = event.value
    if event.style:  # quoted, or a block of lines
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return _TRUE.fullmatch(text) is not None
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _shown(text: str) -> str:
    return f"{text!r:.{EXCERPT_SIZE_MAX}}"
