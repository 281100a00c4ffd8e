"""Lines to what may leave of them, by the destination's plan for log records. The clock is looked at; nothing is read or written."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from gateway.directory import Unknown
from gateway.errors import Refused
from gateway.minimise.flows import single
from gateway.model import Release
from gateway.pipe.record import Form, Malformed, Read, read, text
from gateway.pipe.render import is_empty
from gateway.pipe.render import record as record_of
from gateway.pipe.tally import Loss, Tally
from gateway.pipeline.decide import Decider
from gateway.pipeline.offload import Offload
from gateway.policy.compile import Compiler
from gateway.signals import LOGS


class Kept(msgspec.Struct, frozen=True):
    """What may leave of one line: the release, its record, and how the line spelt it. `stripped`: it isn't all that the line said."""

    release: Release
    record: LogRecord
    form: Form
    stripped: bool

    def __repr__(self) -> str:
        return "Kept(…)"


class Sieve:
    """Decides on lines for one destination. Without a directory: no subject is known."""

    def __init__(self, compiler: Compiler, destination: str, tally: Tally, resource: bytes = b"") -> None:
        """`resource` is what each record begins with. Raises KeyError without such a destination, BadSetup if there can be no plan."""
        self._resource = resource
        self._flow = single(compiler, LOGS.item, destination)
        self._decider = Decider(Unknown(), Offload())
        self._templates = frozenset(template.encode() for template in compiler.policy.otlp.log_templates)
        self._tally = tally

    def sift(self, lines: Sequence[bytes]) -> Sequence[Kept]:
        """What may leave of some lines, received now, in their order; the rest is counted. Raises nothing."""
        return [kept for line in lines if (kept := self._sifted(line)) is not None]

    def _sifted(self, line: bytes) -> Kept | None:
        try:
            judged = self._judge(line, time.time_ns())
        except Refused:
            judged = Loss.REFUSED
        except Exception:  # noqa: BLE001 a line that nobody foresaw is dropped like any other, and the next one is read
            judged = Loss.FAULT
        if isinstance(judged, Kept):
            return judged
        self._tally.dropped(judged)
        return None

    def _judge(self, line: bytes, received_ns: int) -> Kept | Loss:
        line = line.removesuffix(b"\r")
        try:
            # A template may begin with a brace. No other text that does passes as one, lest broken JSON count as free text.
            given = text(line, received_ns) if line in self._templates else read(line, received_ns)
        except Malformed:
            return Loss.MALFORMED
        return self._decided(given, received_ns)

    def _decided(self, given: Read, received_ns: int) -> Kept | Loss:
        raw = self._resource + given.raw
        _, verdicts = self._decider.at_once(self._flow, raw, received_ns)
        verdict = verdicts and verdicts[0]
        if not isinstance(verdict, Release):
            return Loss.WITHHELD
        left = record_of(verdict)
        if is_empty(left):
            return Loss.NO_TEMPLATE if given.form.plain else Loss.NOTHING_LEFT
        return Kept(verdict, left, given.form, given.lost or not verdict.payload.endswith(given.raw))
