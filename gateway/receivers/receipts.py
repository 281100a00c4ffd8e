"""Receipts and reasons as the contract writes them: what callers learn of verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, ParamSpec, Protocol, TypeVar

from kannelle.privacy.v1 import receipt_pb2

from gateway.errors import ItemReason, Reason, Refused
from gateway.model import FieldVerdict, Release, Stripped, Verdict
from gateway.pipeline.receipt import MAX_RECEIPT_ITEM_BYTES, FieldLine, receipt
from gateway.policy.compile import Compiler

T = TypeVar("T")
P = ParamSpec("P")


class OffLoop(Protocol):
    """Has costly work done where it holds up nobody: see `Offload.run`."""

    async def __call__(self, size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what work on an input of so many bytes returns."""
        ...


VERDICTS: Final[Mapping[FieldVerdict, receipt_pb2.Verdict.ValueType]] = {
    FieldVerdict.KEEP: receipt_pb2.VERDICT_KEEP,
    FieldVerdict.STRIP: receipt_pb2.VERDICT_STRIP,
    FieldVerdict.MASK: receipt_pb2.VERDICT_MASK,
}
"""What became of a field, as the contract numbers it."""


def brief_receipt(verdict: Verdict) -> receipt_pb2.Receipt:
    """Return what a verdict itself tells.

    That an item was withheld, not why, and the fields whose values failed a rule.
    """
    return _receipt(verdict, verdict.stripped if isinstance(verdict, Release) else ())


async def complete_receipt(compiler: Compiler, off_loop: OffLoop, item: bytes, verdict: Verdict) -> receipt_pb2.Receipt:
    """Return what became of every field of an item, by the policy that decided on it.

    Raises Refused for an item of more bytes, messages or paths than a receipt can hold.
    """
    if len(item) > MAX_RECEIPT_ITEM_BYTES:
        raise Refused(ItemReason.TOO_LARGE)
    if not isinstance(verdict, Release):
        return _receipt(verdict, ())
    projector = compiler.projector(verdict.type, verdict.destination)
    complete = _receipt(verdict, await off_loop(len(item), receipt, projector, item, verdict))
    complete.complete = True
    return complete


def reason_number(reason: Reason) -> receipt_pb2.Reason.ValueType:
    """Return a reason as the contract numbers it."""
    return receipt_pb2.Reason.Value(f"REASON_{reason}")


def _receipt(verdict: Verdict, fields: Iterable[Stripped | FieldLine]) -> receipt_pb2.Receipt:
    outcome = receipt_pb2.OUTCOME_RELEASED if isinstance(verdict, Release) else receipt_pb2.OUTCOME_WITHHELD
    return receipt_pb2.Receipt(destination=verdict.destination, outcome=outcome, fields=map(_field, fields))


def _field(field: Stripped | FieldLine) -> receipt_pb2.FieldVerdict:
    receipt_field = receipt_pb2.FieldVerdict(path=field.path, verdict=VERDICTS[field.verdict])
    if field.reason is not None:
        receipt_field.reason = reason_number(field.reason)
    return receipt_field
