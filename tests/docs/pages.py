"""The code blocks of the pages, each with where it stands."""

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["ROOT", "Block", "blocks"]

ROOT = Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language ("" for none), its code, and `page:line`."""

    language: str
    code: str
    where: str


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            found["language"], found["code"], f"{page}:{text.count(chr(10), 0, found.start()) + 1}"
        )
        for found in FENCE.finditer(text)
    ]
