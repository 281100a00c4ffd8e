"""Requests to one URL of one vendor: what all exporters over HTTP have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from gateway.errors import BadConfig, Rejected, Retryable
from gateway.exporters.ca_certificates import tls_context
from gateway.exporters.credentials import Credential
from gateway.exporters.http_client import HttpClient, HttpResponse
from gateway.exporters.http_responses import (
    NO_RESPONSE,
    REJECTION_REASONS,
    ResponseClass,
    StatusLog,
    WallClock,
    classify_status,
    retry_after,
)
from gateway.exporters.settings import HttpSettings

_JSON_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json"}


class VendorClient:
    """Posts JSON to a path below an exporter's endpoint, with its credentials at hand."""

    def __init__(
        self, http: HttpClient, settings: HttpSettings, path: str, key: str, clock: WallClock = time.time
    ) -> None:
        """`key` is the exporter's key in the policy. Raises BadConfig, naming it, for what can't work."""
        if not http.allows(settings.endpoint):
            raise BadConfig(
                f"{key}.endpoint: is on this machine or a private address, or plain http; `insecure_loopback: true` "
                "allows this machine"
            )
        self.credentials: Mapping[str, Credential] = {
            name: Credential(source, f"{key}.{name}") for name, source in settings.secrets.items()
        }
        self._url = settings.endpoint.rstrip("/") + path if path else settings.endpoint
        self._timeout = settings.timeout
        self._tls = tls_context(settings.ca, f"{key}.ca")
        self._http = http
        self._status_log = StatusLog(key)
        self._closed = False
        self.clock = clock

    def credential(self, name: str) -> str:
        """Return one of the exporter's credentials, as it is now."""
        return self.credentials[name].value()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """Send one request and return the response, whatever its status. Raises Retryable if there is none."""
        try:
            response = await self._http.post(
                self._url, body, {**_JSON_HEADERS, **headers}, timeout_seconds=self._timeout, tls=self._tls
            )
        except Retryable:
            self._status_log.record(NO_RESPONSE)
            raise
        self._status_log.record(response.status)
        return response

    def raise_for_status(self, response: HttpResponse) -> None:
        """Raise Rejected or Retryable if the status says so of all that was sent."""
        match classify_status(response.status):
            case ResponseClass.ACCEPTED:
                return
            case ResponseClass.REJECTED:
                raise Rejected(REJECTION_REASONS[response.status])
        raise Retryable(after=retry_after(response, self.clock()))

    def raise_if_closed(self) -> None:
        """Raise Retryable if this is closed."""
        if self._closed:
            raise Retryable

    def close(self) -> None:
        """Send no more. Closing again does nothing."""
        self._closed = True
