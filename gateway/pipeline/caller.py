"""Whose call this is, for whoever shares out what is costly."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

CALLER: Final = ContextVar("CALLER", default="")
"""The connection that the call under way came by, as gRPC names its peer; "" where no call is under way.

All connections to one Unix socket have the same name.
"""
