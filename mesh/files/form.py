"""A form: what a kind of file may hold, and the sentence for whatever else it holds.

The types of a form are its schema: msgspec checks the values and says at which path something is
wrong; the tree says where in the file that path is; the form's own words say what was expected
there. What cannot be said in a type is checked by the owner of the form, with the same sentences
(`Filled.wrong`).

    rollout.yaml:9:15: spec.stages[1].percent is 500: expected a number above 0 and at most 100
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Generic, NamedTuple, TypeVar

import msgspec

from mesh.files.yaml_tree import Node, YamlError, plain, read_tree

__all__ = ["Filled", "Form", "MistakeError", "nearest"]

T = TypeVar("T")

KNOWN_MAX = 40
"""Words that are listed where none is near; of more, the rest is counted."""

_COMPLAINT = re.compile(
    r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>\$[^`]*)`)?", re.DOTALL
)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class MistakeError(Exception):
    """A file that cannot be used; the message has its place, the value and what was expected.

    Attributes:
        name: of the file.
        line: where it is, from 1.
        column: where in it, from 1.
        told: the message without the place.
    """

    def __init__(self, name: str, line: int, column: int, told: str) -> None:
        super().__init__(f"{name}:{line}:{column}: {told}")
        self.name = name
        self.line = line
        self.column = column
        self.told = told


class _Found(NamedTuple):
    """A place in a tree, and its path as people say it."""

    node: Node
    spelt: str


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """A kind of file.

    Attributes:
        whole: what a file is.
        parts: its mappings by their path; the whole has the path "".
        expected: what is expected at a path, in a person's words.
        items: of mappings with free keys, by path, whether a key and its value are good: what
            msgspec finds wrong inside them it does not name.
    """

    whole: type[T]
    parts: Mapping[str, type[msgspec.Struct]]
    expected: Mapping[str, str]
    items: Mapping[str, Callable[[str, Node], bool]] = field(
        default_factory=dict[str, Callable[[str, Node], bool]]
    )

    def read(self, data: bytes, name: str) -> "Filled[T]":
        """Return what a file holds. Total.

        Args:
            data: what the file holds.
            name: of the file, for messages.

        Raises:
            MistakeError: it is no YAML, or something in it is not what the form expects.
        """
        try:
            tree = read_tree(data)
        except YamlError as error:
            raise MistakeError(name, error.line, error.column, str(error)) from None
        try:
            value = msgspec.convert(plain(tree), self.whole)
        except msgspec.ValidationError as error:
            raise self._explained(name, tree, str(error)) from None
        return Filled(self, name, tree, value)

    def schema(self, title: str) -> bytes:
        """Return the JSON Schema (2020-12) of the form, indented."""
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            **msgspec.json.schema(self.whole),
        }
        return msgspec.json.format(msgspec.json.encode(schema), indent=2)

    def follow(self, tree: Node, where: str) -> _Found:
        """Return the node at a path such as $.spec.stages[1].percent, and how people say it."""
        node, spelt = tree, ""
        for step in _STEP.finditer(where):
            key, index = step.groups()
            if isinstance(node.value, tuple) and index is not None and index.isdecimal():
                node, spelt = node.value[int(index)], f"{spelt}[{index}]"
            elif isinstance(node.value, dict) and index == "...":
                key = self._bad_key(spelt, node.value)
                spelt = f"{spelt}[{key!r:.60}]"
                node = node.value.get(key, node)
            elif isinstance(node.value, dict) and key in node.value:
                node, spelt = node.value[key], f"{spelt}.{key}".lstrip(".")
        return _Found(node, spelt)

    def _bad_key(self, spelt: str, held: Mapping[str, Node]) -> str:
        is_good = self.items.get(_shape(spelt), lambda _key, _node: True)
        return next((key for key, inner in held.items() if not is_good(key, inner)), "")

    def _explained(self, name: str, tree: Node, complaint: str) -> MistakeError:
        """Return msgspec's complaint with the place and the value that it is about."""
        match = _COMPLAINT.fullmatch(complaint)
        assert match is not None, complaint
        where = (match["path"] or "$") + ("[...]" if match["key"] else "")
        what = match["what"]
        node, spelt = self.follow(tree, where)
        shape = _shape(spelt)
        part = self.parts.get(shape)
        unknown, missing = _UNKNOWN.fullmatch(what), _MISSING.fullmatch(what)
        if part is not None and unknown is not None:
            line, column = node.keys.get(unknown[1], (node.line, node.column))
            fields = [each.encode_name for each in msgspec.structs.fields(part)]
            hint = nearest(unknown[1], fields)
            return MistakeError(
                name, line, column, f"{spelt or 'the file'} has no field {unknown[1]!r:.60}: {hint}"
            )
        if part is not None and missing is not None:
            wanted = self.expected[f"{shape}.{missing[1]}".lstrip(".")]
            told = f"{spelt or 'the file'} lacks {missing[1]}: expected {wanted}"
            return MistakeError(name, node.line, node.column, told)
        return _wrong(name, node, spelt, f"expected {self.expected.get(shape, what)}")


@dataclass(frozen=True, slots=True)
class Filled(Generic[T]):
    """A file that was read.

    Attributes:
        form: what it was read as.
        name: of the file.
        tree: where its values stand.
        value: what it holds.
    """

    form: Form[T]
    name: str
    tree: Node
    value: T

    def wrong(self, where: str, told: str) -> MistakeError:
        """Return the mistake at a path such as `$.spec.gate`."""
        return _wrong(self.name, *self.form.follow(self.tree, where), told)


def _wrong(name: str, node: Node, spelt: str, told: str) -> MistakeError:
    """Return the mistake of a value."""
    shown = f"{spelt or 'the file'} is {_shown(node)}: {told}"
    return MistakeError(name, node.line, node.column, shown)


def nearest(word: str, known: list[str]) -> str:
    """Return what a person may have meant who wrote an unknown word."""
    near = get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(known) - KNOWN_MAX} more" if len(known) > KNOWN_MAX else ""
    return f"expected one of {', '.join(known[:KNOWN_MAX])}{more}"


def _shape(spelt: str) -> str:
    """Return a path without what tells apart the items of a list or of a mapping."""
    return re.sub(r"\[[^\]]*\]", "[]", spelt)


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping" if node.value else "an empty mapping"
    if isinstance(node.value, tuple):
        return f"a list of {len(node.value)}"
    if node.value is None or isinstance(node.value, bool):
        return {None: "null", True: "true", False: "false"}[node.value]
    return f"{node.value!r:.80}"
