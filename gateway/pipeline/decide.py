"""The one way to decide on an item: its subject, the facts, the engine, and the thread where it could take long.

Nothing else has a decision made. What is decided is the plans' and the engine's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from gateway.detectors.work_limit import WorkLimit, WorkLimitExceeded
from gateway.directory import Directory
from gateway.errors import RefusalReason, Refused
from gateway.model import Facts, Subject, Verdict
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.offload import COSTLY_BYTES, INLINE_EFFORT, ITEM_BYTES, Offload

Verdicts = tuple[Verdict, ...]
"""One for each destination."""


class Decidable(Protocol):
    """Items of one type on their way to their destinations."""

    def subject(self, raw: bytes) -> Subject:
        """Whom an item is about. Raises Refused."""
        ...

    def is_personal(self, subject: Subject) -> bool:
        """Whether a subject's own address is a personal one, by the policy's mail domains."""
        ...

    def decide(self, raw: bytes, facts: Facts) -> Verdicts:
        """The verdicts on an item. Raises Refused."""
        ...

    def decide_batch(self, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True) -> BatchDecision:
        """What becomes of each of many items: what `decide` says of each alone.

        Without `identifiers`, nobody is looked for in what is left.
        """
        ...


class UndecidedBatch(msgspec.Struct, frozen=True, gc=False):
    """Items of one flow, and what is known of whom they are about.

    `indices` are theirs in the batch that they came in; those that can't be read are `refused`. Facts that must be
    waited for are None. `personal` are those that an earlier decision saw to be about personal accounts, by their
    indices, and without `identifiers` nobody is looked for in what is left.
    """

    flow: Decidable
    indices: Sequence[int]
    raws: Sequence[bytes]
    received_ns: Sequence[int]
    subjects: Sequence[Subject]
    facts: Sequence[Facts | None]
    refused: Mapping[int, RefusalReason]
    personal: Collection[int]
    identifiers: bool

    def __repr__(self) -> str:
        return f"UndecidedBatch({len(self.raws)} items)"


class Decider:
    """Decides by what a directory knows."""

    def __init__(self, directory: Directory, offload: Offload) -> None:
        self._directory = directory
        self.off_loop = offload.run
        """Returns what work on an input of so many bytes returns, in a thread if it could take long."""

    @property
    def blind(self) -> bool:
        """Whether the directory knows nobody, so that asking it of whom no vendor hears is in vain."""
        return self._directory.knows_nobody

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        """Return what is known of a subject apart from any item. Raises Retryable."""
        return self._directory.cached_facts(subject, received_ns) or await self._directory.facts(subject, received_ns)

    async def decide(
        self, flow: Decidable, raw: bytes, received_ns: int, subject: Subject | None = None
    ) -> tuple[Subject, Verdicts]:
        """Return an item's subject, where it isn't given, and the verdicts on the item.

        Raises Refused, and Retryable without facts.
        """
        size = len(raw)
        decided = self._decide_short(flow, raw, received_ns, subject) if size < COSTLY_BYTES else None
        if decided is None:
            size = max(size, COSTLY_BYTES)
            decided = await self.off_loop(size, self.decide_inline, flow, raw, received_ns, subject)
        about, verdicts = decided
        if verdicts is None:
            facts = _known(await self._directory.facts(about, received_ns), flow.is_personal(about))
            verdicts = await self.off_loop(len(raw), flow.decide, raw, facts)
        return about, verdicts

    def _decide_short(
        self, flow: Decidable, raw: bytes, received_ns: int, subject: Subject | None
    ) -> tuple[Subject, Verdicts | None] | None:
        """Return what `decide_inline` does, in the event loop; None if it takes more effort than it may there.

        As `off_loop` has it, without what that costs beside a short decision.
        """
        try:
            with WorkLimit(INLINE_EFFORT):
                return self.decide_inline(flow, raw, received_ns, subject)
        except WorkLimitExceeded:
            return None

    def decide_inline(
        self, flow: Decidable, raw: bytes, received_ns: int, subject: Subject | None = None
    ) -> tuple[Subject, Verdicts | None]:
        """Return the same, in any thread; no verdicts where facts must be waited for. Raises Refused."""
        if subject is None:
            subject = flow.subject(raw)
        facts = self._directory.cached_facts(subject, received_ns)
        return subject, None if facts is None else flow.decide(raw, _known(facts, flow.is_personal(subject)))

    async def decide_batch(self, flow: Decidable, raws: Sequence[bytes], received_ns: Sequence[int]) -> BatchDecision:
        """Return what becomes of items, each received at its time. Raises Retryable where facts can't be had."""
        size = sum(map(len, raws)) + ITEM_BYTES * len(raws)
        decision = await self.off_loop(size, self.decide_batch_inline, flow, raws, received_ns)
        return await self.batch_with_facts(decision, size) if isinstance(decision, UndecidedBatch) else decision

    def decide_batch_inline(
        self,
        flow: Decidable,
        raws: Sequence[bytes],
        received_ns: Sequence[int],
        personal: Collection[int] = (),
        *,
        identifiers: bool = True,
    ) -> BatchDecision | UndecidedBatch:
        """Return what becomes of items, each received at its time; in any thread.

        Where facts about some must be waited for, `batch_with_facts` decides on all of them. `personal` are the indices
        of those that an earlier decision saw to be about personal accounts. Without `identifiers`, nobody is looked for
        in what is left.
        """
        subjects, refused = _subjects(flow, raws)
        indices: Sequence[int] = range(len(raws))
        if refused:
            indices = [index for index in indices if index not in refused]
            raws, received_ns = [raws[index] for index in indices], [received_ns[index] for index in indices]
        facts = self._cached_facts(flow, subjects, received_ns)
        undecided = UndecidedBatch(flow, indices, raws, received_ns, subjects, facts, refused, personal, identifiers)
        return undecided if None in facts else _decide_complete(undecided)

    async def batch_with_facts(self, undecided: UndecidedBatch, size: int) -> BatchDecision:
        """Return what becomes of items once the facts about them have come; they cost `size` bytes together.

        Raises Retryable where the facts can't be had.
        """
        facts: dict[tuple[Subject, int], Facts] = {}
        for subject, received_ns, found in zip(undecided.subjects, undecided.received_ns, undecided.facts, strict=True):
            if found is None and (subject, received_ns) not in facts:
                facts[subject, received_ns] = _known(
                    await self._directory.facts(subject, received_ns), undecided.flow.is_personal(subject)
                )
        keys = zip(undecided.subjects, undecided.received_ns, strict=True)
        complete = [facts[key] if found is None else found for key, found in zip(keys, undecided.facts, strict=True)]
        return await self.off_loop(size, _decide_complete, msgspec.structs.replace(undecided, facts=complete))

    def _cached_facts(
        self, flow: Decidable, subjects: Sequence[Subject], received_ns: Sequence[int]
    ) -> Sequence[Facts | None]:
        """Return what is known of each item's subject, asking for each subject at a time once."""
        known = _CachedFacts(flow, self._directory)
        return [known[key] for key in zip(subjects, received_ns, strict=True)]


class _CachedFacts(dict[tuple[Subject, int], Facts | None]):
    """What is known of the subjects of a batch, each at its time: asked for when it is first looked up."""

    def __init__(self, flow: Decidable, directory: Directory) -> None:
        super().__init__()
        self._is_personal, self._cached_facts = flow.is_personal, directory.cached_facts

    def __missing__(self, key: tuple[Subject, int]) -> Facts | None:
        subject, received_ns = key
        facts = self._cached_facts(subject, received_ns)
        known = self[key] = None if facts is None else _known(facts, self._is_personal(subject))
        return known


def _subjects(flow: Decidable, raws: Sequence[bytes]) -> tuple[list[Subject], dict[int, RefusalReason]]:
    """Return the subjects of those items that can be read, and why the others can't, by index."""
    subjects, refused = list[Subject](), dict[int, RefusalReason]()
    read = flow.subject
    for index, raw in enumerate(raws):
        try:
            subjects.append(read(raw))
        except Refused as error:
            refused[index] = error.reason
    return subjects, refused


def _decide_complete(undecided: UndecidedBatch) -> BatchDecision:
    """Decide on items of which all facts are known."""
    at, facts = undecided.indices, [known for known in undecided.facts if known is not None]
    if undecided.personal:
        facts = [_known(known, index in undecided.personal) for index, known in zip(at, facts, strict=True)]
    decision = undecided.flow.decide_batch(undecided.raws, facts, identifiers=undecided.identifiers)
    if not undecided.refused:
        return decision
    refused = {at[index]: reason for index, reason in decision.refused.items()}
    return BatchDecision([at[index] for index in decision.indices], decision.verdicts, {**undecided.refused, **refused})


def _known(facts: Facts, personal: bool) -> Facts:
    """Facts, with what the subject's address or an earlier decision says."""
    return msgspec.structs.replace(facts, personal=True) if personal else facts
