"""One call on its way: its messages, metadata and status are decided on here, and counted for the access log."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final

from gateway.errors import CallReason, Cause, ItemReason, Reason, Refused
from gateway.model import NO_SUBJECT, Facts, FieldVerdict, Release, Subject, Verdict
from gateway.pipeline.decide import Decider
from gateway.pipeline.receipt import MAX_RECEIPT_ITEM_BYTES, receipt
from gateway.pipeline.status_text import STATUS_TEXTS
from gateway.receivers.proxy.compiled_routes import CompiledRoute, MessagePolicy
from gateway.receivers.proxy.upstream import Upstream
from gateway.receivers.proxy.upstream_call import MetadataPair, MetadataPairs, UpstreamError
from gateway.receivers.statuses import DETAILS, details, reason_of
from gateway.telemetry.traces import code_number

GRPC_KEY_PREFIXES: Final = ("grpc-", "user-agent", ":")
"""How the keys start that gRPC writes itself."""

MAX_SHADOW_PATHS: Final = 64
"""How many paths one call in shadow mode records."""


class ProxiedCall:
    """A call that may pass, from its first message to its status."""

    __slots__ = (
        "_decider",
        "_facts",
        "_upstream",
        "bytes_in",
        "bytes_out",
        "cause",
        "code",
        "fields_stripped",
        "messages",
        "request_policy",
        "response_policy",
        "shadow",
        "subject",
    )

    def __init__(self, compiled: CompiledRoute, upstream: Upstream, decider: Decider, facts: Facts) -> None:
        """`facts` are known apart from any message, for metadata and statuses."""
        self.request_policy = compiled.request_policy
        self.response_policy = compiled.response_policy
        self.subject: Subject = NO_SUBJECT
        self.bytes_in = 0
        self.bytes_out = 0
        self.messages = 0
        self.fields_stripped = 0
        self.code = 0
        self.cause: Cause | None = None
        self.shadow: dict[tuple[str, Reason], int] = {}
        self._upstream = upstream
        self._decider = decider
        self._facts = facts

    async def minimise_request(self, raw: bytes) -> bytes:
        """Return a message of the caller as the upstream gets it. Raises Refused."""
        self.messages += 1
        self.bytes_in += len(raw)
        subject, (verdict,) = await self._decider.decide(self.request_policy.flow, raw, time.time_ns())
        message = self._released(verdict)
        if self.subject is NO_SUBJECT:
            self.subject = subject
        return message

    async def minimise_response(self, raw: bytes) -> bytes:
        """Return a message of the upstream as the caller gets it.

        Raises Refused: TOO_LARGE, or INTERNAL, for the caller can't fix it.
        """
        self.messages += 1
        # A caller is no vendor.
        subject = NO_SUBJECT if self._decider.blind else None
        try:
            _, (verdict,) = await self._decider.decide(self.response_policy.flow, raw, time.time_ns(), subject)
            message = self._released(verdict)
        except Refused as error:
            raise Refused(
                ItemReason.TOO_LARGE if error.reason is ItemReason.TOO_LARGE else CallReason.INTERNAL
            ) from None
        self.bytes_out += len(message)
        return message

    def _released(self, verdict: Verdict) -> bytes:
        """Return the message that is released, and count what was stripped of it. Raises Refused if it is withheld."""
        if not isinstance(verdict, Release):
            raise Refused(CallReason.WITHHELD)
        self.fields_stripped += verdict.unplanned
        if verdict.strip_counts:
            self.fields_stripped += sum(
                count for (_, _, became), count in verdict.strip_counts.items() if became is FieldVerdict.STRIP
            )
        return verdict.payload

    def minimise_metadata(self, policy: MessagePolicy, pairs: Collection[MetadataPair] | None) -> MetadataPairs:
        """Return metadata as the recipient of the policy's messages gets it."""
        if not pairs:
            return ()
        kept, dropped = policy.envelope.metadata(pairs, self._facts)
        self.fields_stripped += dropped
        return kept

    def minimise_status(self, error: UpstreamError) -> tuple[str, MetadataPairs]:
        """Return the text and the trailing metadata of a call without a response, as the caller gets them."""
        self.code = code_number(error.code)
        self.cause = self._upstream.cause(error)
        if self.cause is None:
            return self._minimise_upstream_status(error)
        text = STATUS_TEXTS[self.code]
        return text, ((DETAILS, details(error.code, text, self.cause)),)

    def _minimise_upstream_status(self, error: UpstreamError) -> tuple[str, MetadataPairs]:
        """Return the same of a call that the upstream ended."""
        envelope = self.response_policy.envelope
        kept = self.minimise_metadata(self.response_policy, error.trailing)
        raw = next((value for key, value in error.trailing if key == DETAILS and isinstance(value, bytes)), None)
        text = envelope.message(self.code, error.text)
        minimised = b"" if raw is None else envelope.details(self.code, error.text, raw, self._facts)
        if raw is not None and not minimised and (reason := reason_of(raw)) is not None:
            # What another gateway on the way says is of a closed list.
            minimised = details(error.code, text, reason)
        return text, (*kept, (DETAILS, minimised)) if minimised else kept


class ShadowedCall(ProxiedCall):
    """A call that passes as it is. What minimising would have done is recorded, also what it would have refused."""

    __slots__ = ()

    async def minimise_request(self, raw: bytes) -> bytes:
        """Return a message of the caller as it is."""
        self.bytes_in += len(raw)
        await self._observe(self.request_policy, raw)
        return raw

    async def minimise_response(self, raw: bytes) -> bytes:
        """Return a message of the upstream as it is."""
        self.bytes_out += len(raw)
        await self._observe(self.response_policy, raw)
        return raw

    async def _observe(self, policy: MessagePolicy, raw: bytes) -> None:
        self.messages += 1
        if len(raw) > MAX_RECEIPT_ITEM_BYTES:
            self._record("", ItemReason.TOO_LARGE)
            return
        try:
            subject, (verdict,) = await self._decider.decide(policy.flow, raw, time.time_ns())
            if policy is self.request_policy and self.subject is NO_SUBJECT:
                self.subject = subject
            lines = await self._decider.off_loop(len(raw), receipt, policy.projector, raw, verdict)
        except Refused as error:
            self._record("", error.reason)
            return
        for line in lines:
            if line.verdict is not FieldVerdict.KEEP and line.reason is not None:
                self._record(line.path, line.reason, line.count)

    def minimise_metadata(self, policy: MessagePolicy, pairs: Collection[MetadataPair] | None) -> MetadataPairs:
        """Return metadata as it is, but for gRPC's own and texts that gRPC itself wouldn't send."""
        relayed = tuple((key, value) for key, value in pairs or () if not key.startswith(GRPC_KEY_PREFIXES))
        self.fields_stripped += policy.envelope.metadata(relayed, self._facts)[1]
        return tuple(
            pair for pair in relayed if isinstance(pair[1], bytes) or (pair[1].isascii() and pair[1].isprintable())
        )

    def _minimise_upstream_status(self, error: UpstreamError) -> tuple[str, MetadataPairs]:
        """Return the text and the trailing metadata as they are."""
        status_details = tuple((key, value) for key, value in error.trailing if key == DETAILS)
        return error.text, (*self.minimise_metadata(self.response_policy, error.trailing), *status_details)

    def _record(self, path: str, reason: Reason, count: int = 1) -> None:
        self.fields_stripped += count
        if len(self.shadow) < MAX_SHADOW_PATHS or (path, reason) in self.shadow:
            self.shadow[path, reason] = self.shadow.get((path, reason), 0) + count
