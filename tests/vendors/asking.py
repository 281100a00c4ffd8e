"""Asks stand-ins over HTTP, as no exporter of ours would."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import msgspec

from gateway.exporters.credentials import basic_auth


class StandInResponse(msgspec.Struct, frozen=True):
    """What a stand-in answered."""

    status: int
    body: Any
    headers: dict[str, str]


async def request(
    url: str,
    body: Any,
    *,
    user: str = "",
    password: str = "",
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> StandInResponse:
    """One request; `body` is bytes, or what becomes JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    if user:
        given["Authorization"] = basic_auth(user, password)
    async with aiohttp.ClientSession() as session, session.request(method, url, data=data, headers=given) as response:
        return StandInResponse(
            response.status, await response.json(), {name.lower(): value for name, value in response.headers.items()}
        )
