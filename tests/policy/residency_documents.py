"""Policies of one destination, and what is wrong with them."""

from __future__ import annotations

import pytest

from gateway.errors import BadPolicy
from gateway.policy.load import parse


def document(
    region: str,
    allow: str,
    ceiling: str | None = None,
    name: str = "crm",
    rest: str = "",
    *,
    recipient: str = "service",
    purpose: str = "sales",
    flows: str = "{}",
) -> str:
    """A policy of one destination. Its `region` is in line 8, its `allow` in line 12, the ceiling in line 14."""
    ceilings = "" if ceiling is None else f"ceilings:\n  {region}: [{ceiling}]\n"
    return f"""\
version: 1
controller: C
user_id: {{pattern: "usr_[a-z]{{1,8}}"}}
flows: {flows}
destinations:
  {name}:
    recipient: {recipient}
    region: {region}
    purpose: {purpose}
    legal_basis: CONTRACT
    retention: 1d
    allow: [{allow}]
{rest}{ceilings}"""


def fault(text: str) -> str:
    """What is said of a policy that does not load."""
    with pytest.raises(BadPolicy) as caught:
        parse(text)
    return str(caught.value)
