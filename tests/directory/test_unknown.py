"""The directory that knows nobody."""

from __future__ import annotations

import pytest

from gateway.directory import Directory, Unknown, is_personal
from gateway.model import Facts, Subject

EMAILS: list[tuple[str, bool]] = [
    ("", False),
    ("ana@acme.example", False),
    ("ana@gmail.com", True),
    ("Ana.Silva+x@GMAIL.com", True),
    ("ana@mailinator.com", True),
    ("ana@sub.mailinator.com", True),
    ("ana", False),
    ("@gmail.com", False),
    ("ana@gmail.com, ben@acme.example", True),
    ("gmail.com@acme.example", True),
]


@pytest.mark.parametrize(("email", "personal"), EMAILS)
async def test_it_knows_what_the_address_tells_and_no_more(email: str, personal: bool) -> None:
    directory: Directory = Unknown()
    subject = Subject("usr_1", email)
    assert is_personal(subject) is personal
    assert await directory.facts(subject, 17) == Facts(received_ns=17, directory=False, verified=frozenset(), personal=personal)


async def test_nobody_is_not_personal() -> None:
    assert await Unknown().facts(Subject(), 0) == Facts(received_ns=0)
