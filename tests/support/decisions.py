"""What becomes of values, by the engine and compiled plans.

Either as fields under the policy of the vectors, or as attributes under Kannelle's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contract
from gateway.engine.reference import ReferenceEngine
from gateway.model import Facts, Withheld
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from tests.support.contracts import UNKNOWN_FACTS, release_of, with_open_patterns
from tests.support.engines import decide_one
from tests.support.otlp_attributes import any_value

VECTORS: Final = Path(__file__).parents[1] / "vectors"
POLICY: Final = "judgement.yaml"
EXEMPTING_POLICY: Final = "judgement-without.yaml"
"""The policy in which identifiers are exempted from detectors."""

BATCH_VALUES: Final = 200
WITHHELD: Final = "withheld"

Minimised = str | int | float | None
"""What is left of a value; None if nothing is."""


@cache
def compiler(policy: str = POLICY) -> Compiler:
    """The compiler of the vectors' contract under a policy of the judgement."""
    held = load_contract([VECTORS / "contracts"])
    return Compiler(held, with_open_patterns(load_policy(VECTORS / policy), held))


@cache
def _minimiser(type: str, destination: str, policy: str) -> ReferenceEngine:
    return ReferenceEngine(compiler(policy).plan(f"vectors.v1.{type}", destination))


@cache
def kannelle_minimiser() -> ReferenceEngine:
    """The minimiser of log records under Kannelle's own policy."""
    own = Compiler(load_contract([default_contract()]), load_policy(default_policy()))
    return ReferenceEngine(own.plan(ResourceLogs.DESCRIPTOR.full_name, "application-log"))


def minimised(field: str, value: str, destination: str, facts: Facts = UNKNOWN_FACTS) -> Minimised:
    """What is left of a value of a field of `Judged`, as an item of its own.

    `WITHHELD` if the destination doesn't get the item.
    """
    message_type = compiler().contract.message_class("vectors.v1.Judged")
    verdict = decide_one(
        _minimiser("Judged", destination, POLICY), message_type(**{field: value}).SerializeToString(), facts
    )
    if isinstance(verdict, Withheld):
        return WITHHELD
    message: Any = message_type.FromString(verdict.payload)
    return getattr(message, field) if message.ListFields() else None


def minimised_each(
    field: str, values: Iterable[str | int], destination: str, policy: str = POLICY
) -> Iterator[Minimised]:
    """Yield what is left of each value of a field of `Judged`, decided in batches."""
    for batch in batches(values):
        yield from _minimised_batch(field, batch, destination, policy)


def _minimised_batch(field: str, values: Sequence[str | int], destination: str, policy: str) -> list[Minimised]:
    message_type: Any = compiler().contract.message_class("vectors.v1.Judgement")
    items = [{"index": index, field: value} for index, value in enumerate(values)]
    release = release_of(_minimiser("Judgement", destination, policy), message_type(items=items).SerializeToString())
    values_left: list[Minimised] = [None] * len(values)
    for item in message_type.FromString(release.payload).items:
        values_left[item.index] = getattr(item, field) or None
    return values_left


def kept_under(key: str, values: Iterable[str | int]) -> Iterator[bool]:
    """Yield whether each value stays under an attribute's key, in an application's log by Kannelle's policy."""
    for batch in batches(values):
        records = [LogRecord(attributes=[KeyValue(key=key, value=any_value(value))]) for value in batch]
        item = ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])
        left = (
            ResourceLogs.FromString(release_of(kannelle_minimiser(), item.SerializeToString()).payload)
            .scope_logs[0]
            .log_records
        )
        yield from (sent.attributes == record.attributes for sent, record in zip(records, left, strict=True))


def batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the values in lists of `BATCH_VALUES`."""
    rest = iter(values)
    while batch := list(islice(rest, BATCH_VALUES)):
        yield batch
