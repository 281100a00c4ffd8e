"""Who an item's subject is: facts for decisions. The directory that is embedded for now knows nobody."""

from __future__ import annotations

from typing import Protocol

from gateway.minimise.addresses import Kind, read
from gateway.model import Facts, Subject


class Directory(Protocol):
    """Tells what is known of a subject. `blind`: it knows nobody, so that asking it of whom no vendor hears is in vain."""

    blind: bool

    def at_hand(self, subject: Subject, received_ns: int) -> Facts | None:
        """The facts, if they can be had without waiting; else None."""
        ...

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        """The facts for a decision on an item received at `received_ns`. Raises Retryable when they can't be had."""
        ...


class Unknown:
    """No directory: every subject is unknown, and what the address itself tells is all there is."""

    blind = True

    def at_hand(self, subject: Subject, received_ns: int) -> Facts:
        """The facts without a directory."""
        return Facts(received_ns, personal=is_personal(subject))

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        """The same."""
        return self.at_hand(subject, received_ns)


def is_personal(subject: Subject) -> bool:
    """Whether the subject's own address is a personal one: free-mail or disposable."""
    return bool(subject.work_email) and read(subject.work_email).kind is Kind.PERSONAL
