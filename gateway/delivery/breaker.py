"""What the outcomes of batches tell of a recipient itself: whether it fails, and until when it is left alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway.delivery.attempt import Clock
from gateway.delivery.schedule import Circuit
from gateway.errors import Retryable
from gateway.exporters.base import Outcome, all_delivered

log = logging.getLogger(__name__)


class CircuitBreaker:
    """The circuit of one recipient, whoever sends to it."""

    def __init__(self, destination: str, clock: Clock) -> None:
        self.circuit = Circuit()
        self._destination = destination
        self._clock = clock

    def record_outcomes(self, begun: Circuit, outcomes: Sequence[Outcome]) -> None:
        """Note what a batch tells of the recipient, which was sent when the circuit was `begun`."""
        retries: Sequence[Retryable] = ()
        if not all_delivered(outcomes):
            retries = [outcome for outcome in outcomes if isinstance(outcome, Retryable) and not outcome.item_only]
        if len(retries) < len(outcomes):
            self.circuit = self.circuit.succeeded()
        elif retries:
            self.record_failure(begun, max((retry.after for retry in retries if retry.after is not None), default=None))

    def record_failure(self, begun: Circuit, retry_after: float | None) -> None:
        """Note that the recipient took nothing of a batch that was sent when the circuit was `begun`."""
        was = self.circuit
        self.circuit = was.failed(begun, self._clock.monotonic(), retry_after, self._clock.random())
        if self.circuit.is_open and not was.is_open:
            log.warning(
                "%s: the recipient failed %d times in a row; it is tried less often now",
                self._destination,
                self.circuit.failures,
            )
