"""Who an item's subject is: facts for decisions. The directory that is embedded for now knows nobody."""

from __future__ import annotations

from typing import Protocol

from gateway.model import Facts, Subject


class Directory(Protocol):
    """Tells what is known of a subject.

    `blind`: it knows nobody, so that asking it of whom no vendor hears is in vain.
    """

    knows_nobody: bool

    def cached_facts(self, subject: Subject, received_ns: int) -> Facts | None:
        """The facts, if they can be had without waiting; else None."""
        ...

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        """The facts for a decision on an item received at `received_ns`. Raises Retryable when they can't be had."""
        ...


class NoDirectory:
    """No directory: every subject is unknown.

    A directory says nothing of what its address tells: mail domains are in the policy.
    """

    knows_nobody = True

    def cached_facts(self, subject: Subject, received_ns: int) -> Facts:  # noqa: ARG002 - a Directory
        """The facts without a directory."""
        return Facts(received_ns)

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        """The same."""
        return self.cached_facts(subject, received_ns)
