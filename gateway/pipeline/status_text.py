"""The text of a status, minimised: where it may not leave, a fixed one stands for it."""

from __future__ import annotations

from typing import Final

from gateway.detectors.budget import MAX_TEXT_CHARS
from gateway.engine.metadata_values import passed_text
from gateway.engine.rules import check_of
from gateway.plan import FreeText

STATUS_TEXTS: Final = (
    "",
    "cancelled",
    "unknown error",
    "invalid argument",
    "deadline exceeded",
    "not found",
    "already exists",
    "permission denied",
    "resource exhausted",
    "failed precondition",
    "aborted",
    "out of range",
    "unimplemented",
    "internal error",
    "unavailable",
    "data loss",
    "unauthenticated",
)
"""What a status says where its own text may not leave, by the code's number.

See https://grpc.io/docs/guides/status-codes/.
"""

UNKNOWN: Final = 2


class StatusText:
    """Minimises the texts of statuses for one recipient."""

    def __init__(self, rule: FreeText | None) -> None:
        """Without a rule no text leaves."""
        self._check = None if rule is None else check_of(rule)

    def minimise(self, code: int, text: str) -> str:
        """Return the text of a status with the code number `code`."""
        if not code or not text:
            return ""
        if self._check is None or len(text) > MAX_TEXT_CHARS:
            return STATUS_TEXTS[known_code(code)]
        passed = passed_text(text, self._check(text))
        return STATUS_TEXTS[known_code(code)] if passed is None else passed


def known_code(code: int) -> int:
    """Return a code as gRPC reads it: one that it doesn't know is UNKNOWN."""
    return code if 0 <= code < len(STATUS_TEXTS) else UNKNOWN
