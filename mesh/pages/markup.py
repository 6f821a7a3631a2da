"""HTML that cannot be broken by what it shows: text is escaped unless its type says it is markup.

An element is made by `element`; a child that is a plain `str` is text, and only what `element` or
`join` returned is taken as it is. What HTML cannot hold (control characters, half of a surrogate
pair) is shown as U+FFFD.
"""

from collections.abc import Iterable
from html import escape

__all__ = ["Markup", "element", "join", "text"]

_EMPTY = frozenset(
    {
        "br",
        "circle",
        "line",
        "meta",
        "path",
        "polyline",
        "rect",
    }  # elements here that have no children
)
_CONTROLS = (*range(9), *range(11, 32), *range(127, 160))  # all but tabulator and new line
_SURROGATES = range(0xD800, 0xE000)
_UNSHOWABLE = dict.fromkeys((*_CONTROLS, *_SURROGATES), "\N{REPLACEMENT CHARACTER}")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Return a value as HTML that shows it."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(str(value).translate(_UNSHOWABLE)))


def join(parts: Iterable[object]) -> Markup:
    """Return parts one after another."""
    return Markup("".join(map(text, parts)))


def element(tag: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        tag: its name.
        children: markup as it is, anything else as text.
        attributes: `_` in a name stands for `-`, and one at the end is dropped (`class_`).
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items()
    )
    if tag in _EMPTY:
        return Markup(f"<{tag}{said}/>")
    return Markup(f"<{tag}{said}>{join(children)}</{tag}>")
