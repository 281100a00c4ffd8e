"""One play of the demo, kept for tests that look at it from many sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.contracts.contract import Contract
from gateway.demo.report import Report
from gateway.demo.run import build_report
from gateway.demo.session import DemoResult
from gateway.policy.load import PolicyFile


class Played(msgspec.Struct, frozen=True):
    """What was seen, in which state folder, under which policy and contracts."""

    seen: DemoResult
    state: Path
    file: PolicyFile
    contract: Contract

    def examine(self, change: Callable[[DemoResult], DemoResult] = lambda seen: seen) -> Report:
        """The report on what was seen, or on what it was changed to."""
        return build_report(change(self.seen), self.state, self.file, self.contract)
