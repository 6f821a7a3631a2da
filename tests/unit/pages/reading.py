"""A page read back by its tests: well formed, nothing that fetches or runs, text told apart."""

import re
from html.parser import HTMLParser

VOID = {"br", "meta"}
TAGS = (
    "html head meta title style body main header section h1 h2 p span figure figcaption details "
    "summary h3 pre code polyline div table thead tbody tr th td dl dt dd svg g defs marker path "
    "line circle rect text"
)
HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title></style></svg>",
    "' onload='x", "&amp;&#x3c;", "url(#x)", "\x00\x1b[31m\ud800", "https://example.org/x.js",
    "]]><!--", "javascript:alert(1)",
)  # fmt: skip


class Page(HTMLParser):
    """The page read back; fails on what is not well formed, or could fetch or run anything."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: list[str] = []
        self.classes: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.look(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.look(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)
        elif self.open:
            assert "url(" not in data
            assert "@import" not in data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS.split()
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        for name, value in attrs:
            assert name not in {"src", "href", "xlink:href", "style", "srcset", "data", "action"}
            assert not name.startswith("on")
            assert "url(" not in str(value) or re.fullmatch(r"url\(#tip-\w+\)", str(value))
            if name in {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"}:
                assert value in {"device-width"} or re.fullmatch(r"-?\d+(\.\d+)?", str(value))
        self.classes += [(tag, str(value)) for name, value in attrs if name == "class"]

    @property
    def said(self) -> str:
        return " ".join(self.texts)

    def count(self, tag: str, class_: str) -> int:
        return self.classes.count((tag, class_))
