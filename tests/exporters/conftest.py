"""What tests of exporters over HTTP share: credentials in the environment, and a way out that ends on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.exporters.http_client import HttpClient
from tests.exporters.sending import SECRETS


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def http(secrets: None) -> AsyncIterator[HttpClient]:
    made = HttpClient(insecure_loopback=True)
    yield made
    await made.close()
