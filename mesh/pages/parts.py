"""What pages are made of: the frame with its policy, sections, tables, names with their values."""

from collections.abc import Mapping, Sequence
from typing import cast

from mesh.pages.markup import Markup, element, join
from mesh.pages.style import STYLE

__all__ = ["NAMES_MAX", "absent", "facts", "names", "page", "section", "table"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content Security Policy of a page: its own style, and nothing else from anywhere."""
NAMES_MAX = 40
"""Names listed in one cell; the rest is counted."""


def page(title: str, *content: Markup, style: str = "") -> str:
    """Return a whole page.

    Args:
        title: what the window is called.
        content: what it shows, in order.
        style: what is added to the style of every page.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(STYLE + style)),
    )
    body = element("body", element("main", *content))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def section(title: str, content: Markup) -> Markup:
    """Return content under a heading."""
    return element("section", element("h2", title), content)


def absent(what: str) -> Markup:
    """Say that there is none of something."""
    return element("p", f"No {what} in this run.", class_="note")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """Return a table that scrolls by itself where the window is narrow."""
    head = element("tr", *(element("th", name, scope="col") for name in heads))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, class_="wide")


def facts(values: Mapping[str, object]) -> Markup:
    """List names with their values; what has parts is listed part by part."""
    if not values:
        return Markup()
    rows = join(
        element("div", element("dt", key.replace("_", " ")), element("dd", _fact(key, value)))
        for key, value in values.items()
    )
    return element("dl", rows)


def _fact(name: str, value: object) -> str:
    """Return a value in words; a name that ends with a unit lends it."""
    if isinstance(value, Mapping):
        parts = cast("Mapping[object, object]", value).items()
        said = ((str(key), one) for key, one in parts)
        return "; ".join(f"{key.replace('_', ' ')} {_fact(key, one)}" for key, one in said)
    if value is None:
        return "never" if name.endswith("_s") else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return names(cast("Sequence[object]", value))
    return f"{value} s" if name.endswith("_s") else str(value) or "none"


def names(found: Sequence[object]) -> str:
    """Return names with commas between; of many, how many more there are."""
    if not found:
        return "none"
    shown = ", ".join(map(str, found[:NAMES_MAX]))
    more = len(found) - NAMES_MAX
    return f"{shown} and {more} more" if more > 0 else shown
