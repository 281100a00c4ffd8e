"""What goes with a call beside its messages, minimised: metadata, the status's text, and its details.

Each detail is a message of its own, which an engine decides on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from gateway.engine.metadata import MetadataRules
from gateway.errors import Refused
from gateway.model import Facts, Release
from gateway.pipeline.flows import SingleEngine
from gateway.pipeline.status_text import StatusText, known_code
from gateway.plan import EnvelopePlan
from gateway.protobuf.any_message import PREFIX, type_name

MAX_DETAILS: Final = 64
"""How many details of a status are looked at."""

MAX_STATUS_BYTES: Final = 6 * 1024
"""The largest status with details. In base64 it takes 8 KiB, as much metadata as gRPC takes by default."""


class Envelope:
    """Minimises what goes to one recipient. Raises nothing, whatever it is given. Safe to share between threads."""

    def __init__(self, plan: EnvelopePlan, engines: Callable[[str], SingleEngine | None]) -> None:
        """`engines` returns what decides on details of a type for this recipient, by the type's full name.

        None for one that may not leave or isn't known.
        """
        self.plan = plan
        self.metadata = MetadataRules(plan).minimise
        self.message = StatusText(plan.message).minimise
        self._engines = engines

    def details(self, code: int, text: str, raw: bytes, facts: Facts) -> bytes:
        """Return a serialised `google.rpc.Status`, `raw`, minimised; it says `code` and the text that goes with it.

        Empty if no details are left.

        Details beyond MAX_DETAILS, and from the first one on that would make it larger than MAX_STATUS_BYTES, are
        removed.
        """
        status = Status(code=known_code(code), message=self.message(code, text))
        for detail in islice(_details(raw), MAX_DETAILS):
            if (minimised := self._detail(detail, facts)) is not None:
                status.details.append(minimised)
                if status.ByteSize() > MAX_STATUS_BYTES:
                    del status.details[-1]
                    break
        return status.SerializeToString() if status.details else b""

    def _detail(self, detail: AnyMessage, facts: Facts) -> AnyMessage | None:
        name = type_name(detail.type_url)
        engine = self._engines(name)
        if engine is None:
            return None
        try:
            verdict = engine.decide(detail.value, facts)
        except Refused:
            return None
        return AnyMessage(type_url=PREFIX + name, value=verdict.payload) if isinstance(verdict, Release) else None


def _details(raw: bytes) -> Iterable[AnyMessage]:
    """Return the details of a serialised status; none if it is malformed."""
    try:
        details: Iterable[AnyMessage] = Status.FromString(raw).details
    except DecodeError:
        return ()
    return details
