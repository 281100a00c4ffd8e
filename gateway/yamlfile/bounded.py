"""Types of values that documents have in common, each with its bounds."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from gateway.yamlfile.durations import SECONDS

Variable = Annotated[
    str, Meta(pattern=r"[A-Za-z_][A-Za-z0-9_]{0,127}", description="the name of an environment variable")
]
Text = Annotated[str, Meta(min_length=1, max_length=1000)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, SECONDS, Meta(ge=0.001, le=3600)]

ENV_OR_FILE: Final = "must say one of env and file"
"""What is wrong with the place of a secret that names none, or two."""
