"""Batches as their items are decided on one by one: what flows of tests answer, and what others are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.batch_verdict import BatchVerdict
from gateway.errors import RefusalReason, Refused
from gateway.model import NOBODY, Facts, Identifier, Outcome, Release, Verdict
from gateway.pipeline.batch_decision import BatchDecision

Decide = Callable[[bytes, Facts], Sequence[Verdict]]
"""The verdicts on one item. Raises Refused."""

Subjects = Callable[[Release], frozenset[Identifier]]


def nobody(_release: Release) -> frozenset[Identifier]:
    """No release holds anything."""
    return NOBODY


def decide_one_by_one(
    decide: Decide, raws: Sequence[bytes], facts: Sequence[Facts], subjects: Subjects = nobody
) -> BatchDecision:
    """Decide on items by themselves, and put the verdicts together."""
    indices, rows, refused = list[int](), list[Sequence[Verdict]](), dict[int, RefusalReason]()
    for index, (raw, known) in enumerate(zip(raws, facts, strict=True)):
        try:
            rows.append(decide(raw, known))
        except Refused as error:
            refused[index] = error.reason
        else:
            indices.append(index)
    return BatchDecision(indices, [batch_of(outcomes, subjects) for outcomes in zip(*rows, strict=True)], refused)


def batch_of(outcomes: Sequence[Outcome], subjects: Subjects = nobody) -> BatchVerdict:
    """The verdict on a batch of whose items these became."""
    releases = {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, Release)}
    ended = {index: outcome for index, outcome in enumerate(outcomes) if not isinstance(outcome, Release)}
    named = next((one for one in (*releases.values(), *ended.values()) if not isinstance(one, Refused)), None)
    first = next(iter(releases.values()), None)
    return BatchVerdict(
        "" if named is None else named.destination,
        "" if first is None else first.type,
        "" if first is None else first.plan,
        [releases[index].payload if index in releases else None for index in range(len(outcomes))],
        [subjects(releases[index]) if index in releases else NOBODY for index in range(len(outcomes))],
        ended,
        {index: release.strip_counts for index, release in releases.items() if release.strip_counts},
        {index: release.unplanned for index, release in releases.items() if release.unplanned},
        {index: release.stripped_by_category for index, release in releases.items() if release.stripped_by_category},
        frozenset(index for index, release in releases.items() if release.personal),
    )
