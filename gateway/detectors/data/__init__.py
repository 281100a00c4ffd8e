"""What the detectors know: registries, word lists and mail domains, as files beside this one, with a version.

`tests/detectors/registries.py` brings them up to date from the libraries that keep such registries.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from typing import Final, TypeVar

import msgspec

Shape = TypeVar("Shape")

_FILES: Final = {
    file.name: file.read_bytes()
    for file in importlib.resources.files(__name__).iterdir()
    if file.name.endswith((".json", ".txt"))
}

VERSION: Final = _FILES["version.txt"].decode().strip()
"""The day on which the files were last brought up to date, as in `2026-11-29`."""

DIGEST: Final = hashlib.sha256(
    b"".join(name.encode() + b"\0" + _FILES[name] + b"\0" for name in sorted(_FILES))
).hexdigest()
"""SHA-256 of all files with their names, in hexadecimal. It is part of each plan: other data may decide otherwise."""


def table(name: str, shape: type[Shape]) -> Shape:
    """Return what the JSON file of this name holds. Raises KeyError, msgspec.ValidationError."""
    return msgspec.json.decode(_FILES[f"{name}.json"], type=shape)


def lines(name: str) -> frozenset[str]:
    """Return the lines of the text file of this name; empty ones and those that start with `#` left out.

    Raises KeyError.
    """
    found = map(str.strip, _FILES[f"{name}.txt"].decode().splitlines())
    return frozenset(line for line in found if line and not line.startswith("#"))
