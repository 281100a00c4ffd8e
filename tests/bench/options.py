"""Options of every channel of the bench."""

from __future__ import annotations

from typing import Final

OPTIONS: Final = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
"""A proxy of the environment isn't what is measured, and a connection that failed isn't anybody else's."""
