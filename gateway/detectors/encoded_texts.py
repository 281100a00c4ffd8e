"""What texts look like in base64 and in hexadecimal."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator


def encodings(texts: Iterable[str]) -> Iterator[str]:
    """Yield what encoded texts begin with, whatever follows them there: as they are, and in small letters."""
    for text in texts:
        for raw in {text.encode("utf-8", "replace"), text.lower().encode("utf-8", "replace")}:
            whole_chars = len(raw) * 8 // 6
            yield b64encode(raw).decode()[:whole_chars]
            yield urlsafe_b64encode(raw).decode()[:whole_chars]
            yield raw.hex()
            yield raw.hex().upper()
