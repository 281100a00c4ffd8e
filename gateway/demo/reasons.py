"""Why a value did not arrive, in the gateway's own words: the pipeline is asked about an item with that value alone.

For what is shown only. What is verified doesn't depend on it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from google.protobuf.message import Message
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent

from gateway.demo.leaves import Leaf, only_leaf
from gateway.errors import Reason, Refused
from gateway.model import Facts, Withheld
from gateway.pipeline.flows import Flow, single_to
from gateway.pipeline.receipt import receipt
from gateway.policy.compile import Compiler
from gateway.policy.rules import RecipientTerms


class ReasonFinder:
    """Asks the flows of one policy over one contract."""

    def __init__(self, compiler: Compiler, callers: Mapping[str, RecipientTerms]) -> None:
        """`callers` are those who get answers, and are asked about as destinations are."""
        self._compiler = compiler
        self._callers = callers
        self._flows: dict[tuple[str, str], Flow] = {}

    def reason(self, message: Message, leaf: Leaf, destination: str) -> Reason | None:
        """Why a value of `message` doesn't arrive at `destination` as it is; None if nothing speaks against it."""
        raw = _only(message, leaf).SerializeToString()
        try:
            (verdict,) = self._flow(message.DESCRIPTOR.full_name, destination).decide(raw, Facts(time.time_ns()))
        except Refused as error:
            return error.reason
        if isinstance(verdict, Withheld):
            return verdict.reason
        lines = receipt(self._compiler.projector_for(verdict.type, self._terms(destination)), raw, verdict)
        return next((line.reason for line in lines if line.reason is not None), None)

    def _flow(self, type: str, destination: str) -> Flow:
        if (type, destination) not in self._flows:
            self._flows[type, destination] = single_to(self._compiler, type, self._terms(destination))
        return self._flows[type, destination]

    def _terms(self, destination: str) -> RecipientTerms:
        return self._callers.get(destination) or self._compiler.terms(destination)


def _only(message: Message, leaf: Leaf) -> Message:
    """A message with one value of another; an event without its name would be refused, so that stays."""
    part = only_leaf(message, leaf.route)
    if isinstance(message, AnalyticsEvent) and isinstance(part, AnalyticsEvent):
        part.name = message.name
    return part
