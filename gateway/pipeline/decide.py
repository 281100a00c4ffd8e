"""The one way to decide on an item: its subject, the facts, the engine, and the thread where it could take long.

Nothing else has a decision made. What is decided is the plans' and the engine's.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from gateway.directory import Directory
from gateway.model import Facts, Subject, Verdict
from gateway.pipeline.offload import Offload

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
        self, flow: Decidable, raw: bytes, received_ns: int, subject: Subject | None = None, *, personal: bool = False
    ) -> tuple[Subject, Verdicts]:
        """Return an item's subject, where it isn't given, and the verdicts on the item.

        Raises Refused, and Retryable without facts.

        `personal`: an earlier decision saw that it is about a personal account.
        """
        about, verdicts = await self.off_loop(
            len(raw), self.decide_inline, flow, raw, received_ns, subject, personal=personal
        )
        if verdicts is None:
            verdicts = await self.with_facts(flow, raw, received_ns, about, personal=personal)
        return about, verdicts

    def decide_inline(
        self, flow: Decidable, raw: bytes, received_ns: int, subject: Subject | None = None, *, personal: bool = False
    ) -> tuple[Subject, Verdicts | None]:
        """Return the same, in any thread; no verdicts where facts must be waited for: then `with_facts` has them.

        Raises Refused.
        """
        if subject is None:
            subject = flow.subject(raw)
        facts = self._directory.cached_facts(subject, received_ns)
        return subject, None if facts is None else flow.decide(
            raw, _known(facts, personal or flow.is_personal(subject))
        )

    async def with_facts(
        self, flow: Decidable, raw: bytes, received_ns: int, subject: Subject, *, personal: bool = False
    ) -> Verdicts:
        """Return the verdicts on an item about a subject.

        Raises Refused, and Retryable where the facts can't be had.
        """
        facts = _known(await self._directory.facts(subject, received_ns), personal or flow.is_personal(subject))
        return await self.off_loop(len(raw), flow.decide, raw, facts)


def _known(facts: Facts, personal: bool) -> Facts:
    """Facts, with what the subject's address or an earlier decision says."""
    return msgspec.structs.replace(facts, personal=True) if personal else facts
