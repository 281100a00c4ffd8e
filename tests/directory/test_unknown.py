"""The directory that knows nobody."""

from __future__ import annotations

import pytest

from gateway.directory import Directory, NoDirectory
from gateway.model import Facts, Subject


@pytest.mark.parametrize("email", ["", "ana@acme.example", "ana@gmail.com", "ana"])
async def test_it_knows_nothing_of_anybody(email: str) -> None:
    directory: Directory = NoDirectory()
    subject = Subject("usr_1", email)
    assert directory.cached_facts(subject, 17) == await directory.facts(subject, 17) == Facts(received_ns=17)
