"""What one gateway counts of itself, with what it is."""

from __future__ import annotations

from gateway import __version__
from gateway.telemetry.counts import Counts


class Telemetry(Counts):
    """The metrics of one gateway, `privacy_gateway_*`. All methods are for the event loop's thread."""

    def __init__(self) -> None:
        super().__init__()
        self.build_info[__version__,] = 1
