"""Why a value did not arrive, in the gateway's own words: it is asked about an item with that value alone.

For what is shown only. What is verified doesn't depend on it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from google.protobuf.message import Message

from gateway.demo.leaves import Leaf, Step, only_leaf
from gateway.errors import Reason, Refused
from gateway.model import Facts, Withheld
from gateway.pipeline.flows import Flow, single
from gateway.policy.compile import EVENT_TYPE, Compiler
from gateway.policy.fields import message_of_values


class ReasonFinder:
    """Asks the plans of one policy over one contract."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._flow = cache(self._new_flow)

    def reason(self, message: Message, leaf: Leaf, destination: str) -> Reason | None:
        """Why a value of `message` doesn't arrive at `destination` as it is; None if nothing speaks against it."""
        asked: Any = only_leaf(message, leaf.route)
        if message.DESCRIPTOR.full_name == EVENT_TYPE:
            # Without its name an event is refused.
            asked.name = cast(Any, message).name
        try:
            (verdict,) = self._flow(message.DESCRIPTOR.full_name, destination).decide(
                asked.SerializeToString(), Facts(time.time_ns())
            )
        except Refused as error:
            return error.reason
        if isinstance(verdict, Withheld):
            return verdict.reason
        return verdict.stripped[0].reason if verdict.stripped else self._ruling(message, leaf.route, destination)

    def _new_flow(self, type: str, destination: str) -> Flow:
        return single(self._compiler, type, destination)

    def _ruling(self, message: Message, route: Sequence[Step], destination: str) -> Reason | None:
        """The reason that the plan was compiled with.

        The one nearest to the value, of those that the fields on the way have.
        """
        found: Reason | None = None
        at: Any = self._compiler.contract.message(message.DESCRIPTOR.full_name)
        projector = self._compiler.projector(destination)
        for name, _ in route:
            field = at.fields_by_name[name]
            ruling = projector.ruling(field)
            found = ruling if isinstance(ruling, Reason) else found
            at = message_of_values(field)
        return found
