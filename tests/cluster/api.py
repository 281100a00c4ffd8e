"""What tests ask of an API server: to create, change, read and delete objects, in JSON over HTTPS."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

TIMEOUT_SECONDS: Final = 30
PATCHES: Final = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}

Manifest = Mapping[str, Any]


class Refused(Exception):
    """An API server doesn't do what it was asked: its status and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


class Api:
    """An API server, by its address, with a bearer token."""

    def __init__(self, address: str, context: ssl.SSLContext, token: str) -> None:
        self._address, self._context, self._token = address, context, token

    def ask(
        self, method: str, path: str, body: Manifest | None = None, content: str = "application/json"
    ) -> dict[str, Any]:
        """The answer to a request. Raises Refused."""
        asked = urllib.request.Request(
            self._address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": content, "Accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(asked, context=self._context, timeout=TIMEOUT_SECONDS) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, _status_text(error.read())) from None
        said: dict[str, Any] = json.loads(text)
        return said

    def is_ready(self) -> bool:
        """Whether it says that it is ready."""
        asked = urllib.request.Request(f"{self._address}/readyz", headers={"Authorization": f"Bearer {self._token}"})
        try:
            with urllib.request.urlopen(asked, context=self._context, timeout=TIMEOUT_SECONDS) as answer:
                return bool(answer.read() == b"ok")
        except OSError:
            return False

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> dict[str, Any]:
        """Create what a manifest says; it as the server made it. Raises Refused."""
        return self.ask("POST", path_of(manifest) + ("?dryRun=All" if dry_run else ""), manifest)

    def read(self, manifest: Manifest) -> dict[str, Any]:
        """An object as it is now. Raises Refused."""
        return self.ask("GET", named(manifest))

    def list(self, manifest: Manifest) -> list[dict[str, Any]]:
        """All objects of a manifest's kind in its namespace."""
        found: list[dict[str, Any]] = self.ask("GET", path_of(manifest))["items"]
        return found

    def patch(self, manifest: Manifest, change: Manifest, *, kind: str = "merge", below: str = "") -> dict[str, Any]:
        """Change an object, or what it has `below`. Raises Refused."""
        return self.ask("PATCH", named(manifest) + below, change, PATCHES[kind])

    def delete(self, manifest: Manifest) -> None:
        """Delete an object, at once: no kubelet waits for it. Raises Refused."""
        self.ask("DELETE", named(manifest), {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})


def path_of(manifest: Manifest) -> str:
    """Where objects of a manifest's kind and namespace are."""
    version, kind = manifest["apiVersion"], manifest["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    namespace = manifest["metadata"].get("namespace")
    group = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    return f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"


def named(manifest: Manifest) -> str:
    """Where an object is."""
    return f"{path_of(manifest)}/{manifest['metadata']['name']}"


def said(request: Callable[[], object]) -> str | None:
    """Why a validating policy refuses a request, without what the server puts before it; None if it is done."""
    try:
        request()
    except Refused as refused:
        return refused.text.partition(" denied request: ")[2] or refused.text
    return None


def _status_text(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
