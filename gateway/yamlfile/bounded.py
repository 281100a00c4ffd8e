"""Types of values that documents have in common, each with its bounds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gateway.yamlfile.durations import SECONDS

Text = Annotated[str, Meta(min_length=1, max_length=1000)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, SECONDS, Meta(ge=0.001, le=3600)]
