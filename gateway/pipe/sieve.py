"""Lines to what may leave of them, by the destination's plan for log records.

The clock is looked at; nothing is read or written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from gateway.directory import Unknown
from gateway.errors import Refused
from gateway.minimise.flows import single
from gateway.model import Release
from gateway.pipe.form import Form
from gateway.pipe.keys import keys_of
from gateway.pipe.record import Malformed, Read, crashed, read
from gateway.pipe.render import is_bare, is_empty
from gateway.pipe.render import record as record_of
from gateway.pipe.tally import Loss, Tally
from gateway.pipe.trace import Context, Place
from gateway.pipeline.decide import Decider
from gateway.pipeline.offload import Offload
from gateway.policy.compile import Compiler
from gateway.signals import LOGS


class Kept(msgspec.Struct, frozen=True):
    """What may leave of one line: the release, its record, and how the line spelt it.

    `stripped`: it isn't all that the line said; `bare`: it is a level, a time, IDs, and no more.
    """

    release: Release
    record: LogRecord
    form: Form
    stripped: bool
    bare: bool = False

    def __repr__(self) -> str:
        return "Kept(…)"


class Sieve:
    """Decides on the lines of one stream, for one destination. Without a directory: no subject is known."""

    def __init__(
        self,
        compiler: Compiler,
        destination: str,
        tally: Tally,
        resource: bytes = b"",
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`resource` is what each record begins with.

        Raises KeyError without such a destination, BadSetup if there can be no plan.
        """
        self._resource = resource
        self._flow = single(compiler, LOGS.item, destination)
        self._decider = Decider(Unknown(), Offload())
        self._keys = keys_of(compiler.policy)
        self._context = Context()
        self._tally = tally
        self._clock = clock

    def sift(self, lines: Sequence[bytes]) -> Sequence[Kept]:
        """What may leave of some lines, received now, in their order; the rest is counted. Raises nothing."""
        return [kept for line in lines if (kept := self._sifted(line)) is not None]

    def _sifted(self, line: bytes) -> Kept | None:
        try:
            judged = self._judge(line, self._clock())
        except Malformed:
            judged = Loss.MALFORMED
        except Refused:
            judged = Loss.REFUSED
        except Exception:  # noqa: BLE001 a line that nobody foresaw is dropped like any other, and the next one is read
            judged = Loss.FAULT
        if isinstance(judged, Kept):
            return judged
        self._tally.dropped(judged)
        return None

    def _judge(self, line: bytes, received_ns: int) -> Kept | Loss:
        """Decide on a line. Raises Malformed, Refused."""
        given = read(line, received_ns, self._keys)
        judged = self._decided(given, received_ns)
        if isinstance(judged, Kept):
            self._context.record(judged.record.severity_number)
            return judged
        if judged is not Loss.NO_TEMPLATE:
            return judged
        place = self._context.words(given.words)
        if place is Place.CRASH:
            return self._decided(crashed(received_ns), received_ns)
        return Loss.CONTINUATION if place is Place.MORE else judged

    def _decided(self, given: Read, received_ns: int) -> Kept | Loss:
        raw = self._resource + given.raw
        _, verdicts = self._decider.at_once(self._flow, raw, received_ns)
        verdict = verdicts and verdicts[0]
        if not isinstance(verdict, Release):
            return Loss.WITHHELD
        left = record_of(verdict)
        if is_empty(left, given.form):
            return Loss.NO_TEMPLATE if given.form.is_words_alone else Loss.NOTHING_LEFT
        return Kept(verdict, left, given.form, given.lost or not verdict.payload.endswith(given.raw), is_bare(left))
