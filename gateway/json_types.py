"""What JSON holds, as types."""

from __future__ import annotations

from typing import TypeAlias

JsonValue: TypeAlias = "str | bool | int | float | list[JsonValue] | dict[str, JsonValue] | None"

JsonObject: TypeAlias = dict[str, JsonValue]
