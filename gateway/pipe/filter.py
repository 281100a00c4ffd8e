"""Lines to what may leave of them, by the destination's plan for log records.

The clock is looked at; nothing is read or written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from gateway.directory import NoDirectory
from gateway.errors import Refused
from gateway.model import Release
from gateway.otlp.signals import LOGS
from gateway.pipe.keys import keys_of
from gateway.pipe.line_counts import DropReason, LineCounts
from gateway.pipe.line_format import LineFormat
from gateway.pipe.parse import MalformedLine, ParsedLine, parse_line, traceback_line
from gateway.pipe.render import is_bare, is_empty, record_of
from gateway.pipe.tracebacks import TextKind, TracebackTracker
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import single
from gateway.pipeline.offload import Offload
from gateway.policy.compile import Compiler


class KeptLine(msgspec.Struct, frozen=True):
    """What may leave of one line: the release, its record, and how the line spelt it.

    `stripped`: it isn't all that the line said; `bare`: it is a level, a time, IDs, and no more.
    """

    release: Release
    record: LogRecord
    form: LineFormat
    stripped: bool
    bare: bool = False

    def __repr__(self) -> str:
        return "Kept(…)"


class LineFilter:
    """Decides on the lines of one stream, for one destination. Without a directory: no subject is known."""

    def __init__(
        self,
        compiler: Compiler,
        destination: str,
        counts: LineCounts,
        resource: bytes = b"",
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`resource` is what each record begins with.

        Raises KeyError without such a destination, BadSetup if there can be no plan.
        """
        self._resource = resource
        self._flow = single(compiler, LOGS.item, destination)
        self._decider = Decider(NoDirectory(), Offload())
        self._keys = keys_of(compiler.policy)
        self._tracebacks = TracebackTracker()
        self._counts = counts
        self._clock = clock

    def filter(self, lines: Sequence[bytes]) -> Sequence[KeptLine]:
        """What may leave of some lines, received now, in their order; the rest is counted. Raises nothing."""
        return [kept for line in lines if (kept := self._filter_line(line)) is not None]

    def _filter_line(self, line: bytes) -> KeptLine | None:
        try:
            outcome = self._decide(line, self._clock())
        except MalformedLine:
            outcome = DropReason.MALFORMED
        except Refused:
            outcome = DropReason.REFUSED
        except Exception:  # noqa: BLE001 a line that nobody foresaw is dropped like any other, and the next one is read
            outcome = DropReason.FAULT
        if isinstance(outcome, KeptLine):
            return outcome
        self._counts.count_dropped(outcome)
        return None

    def _decide(self, line: bytes, received_ns: int) -> KeptLine | DropReason:
        """Decide on a line. Raises MalformedLine, Refused."""
        parsed = parse_line(line, received_ns, self._keys)
        outcome = self._decide_record(parsed, received_ns)
        if isinstance(outcome, KeptLine):
            self._tracebacks.observe_record(outcome.record.severity_number)
            return outcome
        if outcome is not DropReason.NO_TEMPLATE:
            return outcome
        place = self._tracebacks.classify(parsed.free_text)
        if place is TextKind.TRACEBACK:
            return self._decide_record(traceback_line(received_ns), received_ns)
        return DropReason.CONTINUATION if place is TextKind.CONTINUATION else outcome

    def _decide_record(self, parsed: ParsedLine, received_ns: int) -> KeptLine | DropReason:
        raw = self._resource + parsed.raw
        _, verdicts = self._decider.decide_inline(self._flow, raw, received_ns)
        verdict = verdicts and verdicts[0]
        if not isinstance(verdict, Release):
            return DropReason.WITHHELD
        record = record_of(verdict)
        if is_empty(record, parsed.form):
            return DropReason.NO_TEMPLATE if parsed.form.is_free_text else DropReason.NOTHING_LEFT
        return KeptLine(
            verdict, record, parsed.form, parsed.lossy or not verdict.payload.endswith(parsed.raw), is_bare(record)
        )
