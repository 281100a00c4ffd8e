"""What terminals read and people don't see: escape sequences and the byte order mark.

It is taken out before anything is judged.
"""

from __future__ import annotations

import re
from typing import Final

ESCAPE: Final = "\x1b"

_SEQUENCE: Final = re.compile(
    r"""\x1b(?:
        \[[0-?]{0,64}[ -/]{0,8}[@-~]             # CSI: colours, moves
        | \][^\x07\x1b]{0,512}(?:\x07|\x1b\\)    # OSC: titles, links
        | [@-Z\\^_]                              # two characters
    )""",
    re.VERBOSE,
)
"""ECMA-48, https://ecma-international.org/publications-and-standards/standards/ecma-48/, sections 5.3 to 5.6."""


def strip_escapes(text: str) -> str:
    """Return a text without escape sequences."""
    return _SEQUENCE.sub("", text) if ESCAPE in text else text


def decode_line(line: bytes) -> str:
    """Return a line as a text, without a byte order mark, escape sequences or a carriage return at its end.

    Raises UnicodeDecodeError.
    """
    return strip_escapes(line.decode("utf-8-sig")).removesuffix("\r")
