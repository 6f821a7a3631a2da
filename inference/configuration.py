"""Configuration as an artefact: UTF-8 text in TOML or JSON whose outermost value is a table.

What the keys mean is the affair of whoever reads them; here it is only made sure that a box which
applies the text gets a table, and never an exception.
"""

import json
import tomllib
from typing import cast

from inference.errors import MalformedArtifactError

__all__ = ["CONFIGURATION_SIZE_MAX", "parse_configuration", "parse_json_table"]

CONFIGURATION_SIZE_MAX = 1 << 20
"""Bytes."""


def parse_configuration(text: bytes, text_format: str) -> dict[str, object]:
    """The table in a configuration.

    Args:
        text: UTF-8.
        text_format: `toml` or `json`.

    Raises:
        MalformedArtifactError: it is too large, not in that format, or no table.
    """
    if len(text) > CONFIGURATION_SIZE_MAX:
        raise MalformedArtifactError(
            f"a configuration of {len(text)} bytes: expected at most {CONFIGURATION_SIZE_MAX}"
        )
    if text_format == "json":
        return parse_json_table(text, "the configuration")
    if text_format != "toml":
        raise MalformedArtifactError(f"format {text_format!r:.20}: expected toml or json")
    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedArtifactError(f"the configuration is no TOML: {error}; mend it") from None


def parse_json_table(text: bytes, what: str) -> dict[str, object]:
    """The table in a JSON text; a key that occurs twice is refused.

    Raises:
        MalformedArtifactError: it is no JSON, or no table.
    """

    def table(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError(f"a key occurs twice among {[key for key, _ in pairs]!r:.80}")
        return found

    def refuse(name: str) -> object:
        raise ValueError(f"{name} is no number")

    try:
        value: object = json.loads(text.decode(), object_pairs_hook=table, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedArtifactError(f"{what} is no JSON: {error}; mend it") from None
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    raise MalformedArtifactError(f"{what} is {value!r:.40}; expected a table {{…}}")
