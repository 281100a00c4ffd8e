"""Requests to one URL of one vendor: what all exporters over HTTP have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from gateway.errors import BadConfig, CallReason, Reason, Retryable
from gateway.exporters.answers import MALFORMED, UNREACHED, Sense, Temper, Wall, pause, sense
from gateway.exporters.base import Retry
from gateway.exporters.credentials import Credential
from gateway.exporters.trust import trust
from gateway.exporters.web import Answer, Web
from gateway.policy.http_exporters import HttpExporter
from gateway.policy.outgoing import secrets

_JSON: Final = {"Accept": "application/json", "Content-Type": "application/json"}


class Post:
    """Posts JSON to a path below an exporter's endpoint, with its credentials at hand."""

    def __init__(self, web: Web, given: HttpExporter, path: str, key: str, wall: Wall = time.time) -> None:
        """`key` is where the policy speaks of the exporter. Raises BadConfig, naming it, for what can't work."""
        if not web.admits(given.endpoint):
            raise BadConfig(
                f"{key}.endpoint: is on this machine or a private address, or plain http; --insecure-loopback allows "
                "loopback"
            )
        self.credentials: Mapping[str, Credential] = {
            name: Credential(at, f"{key}.{name}") for name, at in secrets(given).items()
        }
        self._url = given.endpoint.rstrip("/") + path if path else given.endpoint
        self._timeout = given.timeout
        self._tls = trust(given.ca, f"{key}.ca")
        self._web = web
        self._temper = Temper(key)
        self._closed = False
        self.wall = wall

    def credential(self, name: str) -> str:
        """One of the exporter's credentials, as it is now."""
        return self.credentials[name].value()

    async def send(self, body: bytes, headers: Mapping[str, str]) -> Answer | Retry:
        """The answer; Retry if there was none."""
        try:
            answer = await self._web.post(self._url, body, {**_JSON, **headers}, within=self._timeout, tls=self._tls)
        except Retryable as error:
            self._temper.note(UNREACHED)
            return Retry(error.after)
        self._temper.note(answer.status)
        return answer

    def blame(self, answer: Answer) -> Retry | Reason | None:
        """What a status means for all that was sent: not now, or a reason why not as it is; None if it was taken."""
        match sense(answer.status):
            case Sense.TAKEN:
                return None
            case Sense.REFUSED:
                return MALFORMED[answer.status]
        return pause(answer, self.wall())

    def check(self) -> None:
        """Raises Retryable if this is closed."""
        if self._closed:
            raise Retryable(CallReason.UNAVAILABLE)

    def close(self) -> None:
        """Send no more. Closing again does nothing."""
        self._closed = True
