"""What `/readyz` tells of a gateway: one check for each thing that can be well or not.

Whoever has a check hands it in.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from gateway import rfc3339


class Check(msgspec.Struct, frozen=True):
    """How one thing stands. Nothing here is a field's value.

    `cause` is a code of a closed set, empty where it is well; `detail` names files, keys and lines. The gateway is
    ready while all that is `needed` is well: what may go on without isn't, and no recipient ever is.
    """

    name: str
    ok: bool
    since: datetime
    cause: str = ""
    detail: str = ""
    needed: bool = False

    def with_cause(self, cause: str, detail: str = "") -> Check:
        """Return the same check as of now: failing with a cause, passing without one. `since` stays where `ok` does."""
        ok = not cause
        since = self.since if ok == self.ok else datetime.now(UTC)
        return msgspec.structs.replace(self, ok=ok, since=since, cause=cause, detail=detail)


def passing(name: str, *, needed: bool = False) -> Check:
    """A check of something that is well, as of now."""
    return Check(name, ok=True, since=datetime.now(UTC), needed=needed)


def failing(name: str, cause: str, *, needed: bool = False) -> Check:
    """A check of something that isn't well, as of now."""
    return Check(name, ok=False, since=datetime.now(UTC), cause=cause, needed=needed)


class Readiness(msgspec.Struct, frozen=True):
    """Whether the gateway takes calls, and how all that it looks at stands."""

    ready: bool
    checks: tuple[Check, ...] = ()

    @staticmethod
    def of(checks: tuple[Check, ...]) -> Readiness:
        """Ready while all is well that is needed."""
        return Readiness(all(check.ok for check in checks if check.needed), checks)

    def lines(self) -> Iterator[str]:
        """Yield the same for people, a line for each check, as Kubernetes' API server has it."""
        yield from map(_line, self.checks)
        yield f"readyz check {'passed' if self.ready else 'failed'}"


def _line(check: Check) -> str:
    since = rfc3339.from_datetime(check.since)
    matters = "" if check.needed or check.ok else " (ready all the same)"
    detail = " ".join(check.detail.split())
    return (
        f"[{'+' if check.ok else '-'}]{check.name} {check.cause or 'ok'} since "
        f"{since}{matters}{detail and ': '}{detail}"
    )
