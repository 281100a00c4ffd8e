"""One call on its way: each message, the metadata and the status are decided on here, and counted for the access log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Final

import grpc

from gateway.errors import CallReason, Cause, ItemReason, Reason, Refused
from gateway.model import NO_SUBJECT, Facts, FieldVerdict, Release, Subject, Verdict
from gateway.pipeline.decide import Decider
from gateway.pipeline.envelope import STATUS_TEXTS
from gateway.pipeline.receipt import MAX_RECEIPT_ITEM_BYTES, FieldLine, receipt
from gateway.receivers.guard import DETAILS, details, reason_of
from gateway.receivers.proxy.core import Ended, Pair, Pairs
from gateway.receivers.proxy.passage import Passage, Way

OWN: Final = ("grpc-", "user-agent", ":")
"""How the keys start that gRPC writes itself."""


PATHS: Final = 64
"""How many paths one call in shadow mode tells of."""


class Exchange:
    """A call that may pass, from its first message to its status."""

    def __init__(self, passage: Passage, decider: Decider, apart: Facts) -> None:
        """`apart` is what is known apart from any message, for metadata and statuses."""
        self.passage = passage
        self.subject: Subject = NO_SUBJECT
        self.bytes_in = 0
        self.bytes_out = 0
        self.messages = 0
        self.stripped = 0
        self.code = 0
        self.cause: Cause | None = None
        self.shadow: Counter[tuple[str, Reason]] = Counter()
        self._decider = decider
        self._apart = apart

    async def request(self, raw: bytes) -> bytes:
        """A message of the caller, as the upstream gets it. Raises Refused."""
        self.bytes_in += len(raw)
        subject, message = await self._message(self.passage.out, raw)
        if self.subject is NO_SUBJECT:
            self.subject = subject
        return message

    async def answer(self, raw: bytes) -> bytes:
        """A message of the upstream, as the caller gets it.

        Raises Refused: TOO_LARGE, or INTERNAL, for the caller can't mend it.
        """
        try:
            # A caller is no vendor.
            _, answer = await self._message(self.passage.back, raw, NO_SUBJECT if self._decider.blind else None)
        except Refused as error:
            raise Refused(
                ItemReason.TOO_LARGE if error.reason is ItemReason.TOO_LARGE else CallReason.INTERNAL
            ) from None
        self.bytes_out += len(answer)
        return answer

    async def _message(self, way: Way, raw: bytes, subject: Subject | None = None) -> tuple[Subject, bytes]:
        self.messages += 1
        subject, (verdict,) = await self._decider.decide(way.flow, raw, time.time_ns(), subject)
        if not isinstance(verdict, Release):
            raise Refused(CallReason.WITHHELD)
        self.stripped += verdict.unplanned
        if verdict.strip_counts:
            self.stripped += sum(
                count for (_, _, became), count in verdict.strip_counts.items() if became is FieldVerdict.STRIP
            )
        return subject, verdict.payload

    def metadata(self, way: Way, given: Iterable[Pair]) -> Pairs:
        """Metadata, as the way's recipient gets it."""
        if not given:
            return ()
        kept, dropped = way.envelope.metadata(given, self._apart)
        self.stripped += dropped
        return kept

    def status(self, ended: Ended) -> tuple[str, Pairs]:
        """The text and the trailing metadata of a call that has no answer, as the caller gets them."""
        self.code = number(ended.code)
        self.cause = self.passage.upstream.cause(ended)
        if self.cause is None:
            return self._status(ended)
        text = STATUS_TEXTS[self.code]
        return text, ((DETAILS, details(ended.code, text, self.cause)),)

    def _status(self, ended: Ended) -> tuple[str, Pairs]:
        """The same of one that the upstream ended."""
        envelope = self.passage.back.envelope
        kept = self.metadata(self.passage.back, ended.trailing)
        given = next((value for key, value in ended.trailing if key == DETAILS and isinstance(value, bytes)), None)
        text = envelope.message(self.code, ended.text)
        left = b"" if given is None else envelope.details(self.code, ended.text, given, self._apart)
        if given is not None and not left and (reason := reason_of(given)) is not None:
            # What another gateway on the way says is of a closed list.
            left = details(ended.code, text, reason)
        return text, (*kept, (DETAILS, left)) if left else kept


class Shadowed(Exchange):
    """A call that passes as it is. What minimising would have done is told, also of what it would have refused."""

    async def request(self, raw: bytes) -> bytes:
        """A message of the caller, as it is."""
        self.bytes_in += len(raw)
        return await self._watched(self.passage.out, raw)

    async def answer(self, raw: bytes) -> bytes:
        """A message of the upstream, as it is."""
        self.bytes_out += len(raw)
        return await self._watched(self.passage.back, raw)

    async def _watched(self, way: Way, raw: bytes) -> bytes:
        self.messages += 1
        if len(raw) > MAX_RECEIPT_ITEM_BYTES:
            self._tell("", ItemReason.TOO_LARGE)
            return raw
        try:
            subject, (verdict,) = await self._decider.decide(way.flow, raw, time.time_ns())
            if way is self.passage.out and self.subject is NO_SUBJECT:
                self.subject = subject
            lines = await self._decider.off_loop(len(raw), partial(_lines, way, raw, verdict))
        except Refused as error:
            self._tell("", error.reason)
            return raw
        for line in lines:
            if line.verdict is not FieldVerdict.KEEP and line.reason is not None:
                self._tell(line.path, line.reason, line.count)
        return raw

    def metadata(self, way: Way, given: Iterable[Pair]) -> Pairs:
        """Metadata, as it is but for gRPC's own, and texts that gRPC itself wouldn't send."""
        pairs = tuple((key, value) for key, value in given if not key.startswith(OWN))
        self.stripped += way.envelope.metadata(pairs, self._apart)[1]
        return tuple(
            pair for pair in pairs if isinstance(pair[1], bytes) or (pair[1].isascii() and pair[1].isprintable())
        )

    def _status(self, ended: Ended) -> tuple[str, Pairs]:
        """The text and the trailing metadata, as they are."""
        given = tuple((key, value) for key, value in ended.trailing if key == DETAILS)
        return ended.text, (*self.metadata(self.passage.back, ended.trailing), *given)

    def _tell(self, path: str, reason: Reason, count: int = 1) -> None:
        self.stripped += count
        if len(self.shadow) < PATHS or (path, reason) in self.shadow:
            self.shadow[path, reason] += count


def _lines(way: Way, raw: bytes, verdict: Verdict) -> tuple[FieldLine, ...]:
    return receipt(way.projector, raw, verdict)


def number(code: grpc.StatusCode) -> int:
    """A code as it stands on the wire."""
    value: int = code.value[0]
    return value
