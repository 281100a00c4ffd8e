"""YAML in, frozen structs out.

Every error names the file, the line and the key, and repeats no value, since a value may be a secret.

`nodes.py` reads text, `structs.py` holds it against types, `origin.py` tells what doesn't fit and where. What values
mean together is for those who asked for the structs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from gateway.errors import BadSetup
from gateway.yamlfile.durations import SECONDS
from gateway.yamlfile.nodes import (
    MAX_DOCUMENT_BYTES,
    MAX_NESTED_LEVELS,
    Node,
    compose,
    decode_utf8,
    load_bytes,
    load_text,
)
from gateway.yamlfile.origin import NO_ORIGIN, Keys, Origin, Problem
from gateway.yamlfile.scalars import DocLink, unknown_name_text
from gateway.yamlfile.structs import build

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "MAX_NESTED_LEVELS",
    "NO_ORIGIN",
    "SECONDS",
    "DocLink",
    "Keys",
    "Node",
    "Origin",
    "Problem",
    "build",
    "compose",
    "decode_utf8",
    "load_bytes",
    "load_text",
    "parse",
    "read",
    "unknown_name_text",
]

T = TypeVar("T")


def read(path: Path, type: type[T], error: type[BadSetup]) -> tuple[T, Origin]:
    """The struct that the UTF-8 file at `path` holds. Raises `error`."""
    return parse(load_text(path, error), str(path), type, error)


def parse(text: str, name: str, type: type[T], error: type[BadSetup]) -> tuple[T, Origin]:
    """The struct that `text` holds; `name` stands for the file in errors. Raises `error`."""
    return build(compose(text, name, error), type, error)
