"""A probe: a message that is decided on as any item is, by the pipeline, and what of it arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from gateway.directory import NoDirectory
from gateway.errors import Refused
from gateway.evidence.statement.arrivals import Arrival, Arrivals, shown
from gateway.evidence.statement.probe_labels import Labels
from gateway.evidence.statement.probe_messages import ProbeMessages
from gateway.evidence.statement.probe_values import ProbeValues, harmless_sample
from gateway.evidence.statement.recipients import NamedRecipient
from gateway.model import Release
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flow
from gateway.pipeline.offload import Offload
from gateway.policy.compile import Compiler
from gateway.yamlfile import Keys


class Outcome(msgspec.Struct, frozen=True):
    """What became of a probe: what arrived, and the same in words."""

    wording: str
    released: bool = False
    withheld: bool = False
    arrivals: tuple[Arrival, ...] = ()


class Prober:
    """Sends probes through the pipeline, under one policy and its contracts, without a directory.

    `flow_of` finds the way of items of a type to a recipient. Each probe is sent once.
    """

    def __init__(self, compiler: Compiler, flow_of: Callable[[NamedRecipient, str], Flow], now_ns: int) -> None:
        self._contract = compiler.contract
        self._flow_of = flow_of
        self._now_ns = now_ns
        labels = Labels(compiler)
        self._messages = ProbeMessages(compiler.contract, labels, now_ns)
        self._arrivals = Arrivals(labels)
        self._decider = Decider(NoDirectory(), Offload())
        self.user_id = harmless_sample(compiler.policy.user_id.pattern)
        self.values = ProbeValues(self.user_id)
        """A value of its own category in every field."""
        self._sent: dict[tuple[Keys, str], tuple[Outcome, ...]] = {}

    def arrivals(self, recipient: NamedRecipient, type: str) -> tuple[Outcome, ...]:
        """What becomes of messages of a type with `values`."""
        key = (recipient.keys, type)
        if key not in self._sent:
            self._sent[key] = tuple(self.send(recipient, type, self.values))
        return self._sent[key]

    def send(self, recipient: NamedRecipient, type: str, values: ProbeValues) -> Iterator[Outcome]:
        """Yield what becomes of messages of a type that together have something in each of their fields."""
        for message in self._messages.of_type(type, values):
            yield self.decide(recipient, type, message.SerializePartialToString())

    def decide(self, recipient: NamedRecipient, type: str, raw: bytes) -> Outcome:
        """What becomes of one item."""
        try:
            _, verdicts = self._decider.decide_inline(self._flow_of(recipient, type), raw, self._now_ns)
        except Refused as refusal:
            return Outcome(f"refused: {refusal.reason}")
        if verdicts is None or not isinstance(verdicts[0], Release):
            return Outcome("withheld", withheld=True)
        message = self._contract.message_class(type).FromString(verdicts[0].payload)
        arrivals = self._arrivals.of(message)
        return Outcome(shown(arrivals), released=True, arrivals=arrivals)
