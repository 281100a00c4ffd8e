"""Whose words an item's values may not repeat is the same whether it is read off the parsed item or parsed anew."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.context import DecisionContext
from gateway.engine.persons import PersonOfIdentifiers, PersonOfItem, find_person
from gateway.errors import ItemReason, Refused
from gateway.model import Facts
from gateway.plan import Plan
from gateway.protobuf.schema import build, read
from tests.support.contracts import compiler, contract, proto

TOKEN: Final = 'string token = 9 @{category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"};'
MAILS: Final = f"{TOKEN} string mail = 1 @WORK_EMAIL; optional string cc = 2 @WORK_EMAIL;"


def plan_of(fields: str) -> Plan:
    return compiler(f"message M {{ {fields} }} message N {{ string mail = 1 @WORK_EMAIL; }}").plan("t.M", "eu-log")


@pytest.mark.parametrize(
    ("fields", "found_by"),
    [
        (MAILS, PersonOfIdentifiers),
        (f"{TOKEN} string mail = 1 @WORK_EMAIL; string name = 2 @NAME;", PersonOfItem),
        (f"{TOKEN} repeated string mails = 1 @WORK_EMAIL;", PersonOfItem),
        (f"{TOKEN} string mail = 1 @WORK_EMAIL; N more = 2;", PersonOfItem),
        (f"{TOKEN} oneof one {{ string mail = 1 @WORK_EMAIL; string cc = 2 @WORK_EMAIL; }}", PersonOfItem),
        (f"{TOKEN} string mail = 1 @WORK_EMAIL; string private = 2 @PERSONAL_EMAIL;", PersonOfItem),
        (f"{TOKEN} google.protobuf.StringValue mail = 1 @WORK_EMAIL;", PersonOfItem),
    ],
    ids=["addresses", "a name", "a list", "a message", "a oneof", "an address that is stripped", "a wrapper"],
)
def test_who_it_is_is_read_off_an_item_that_keeps_all_that_says_so(fields: str, found_by: type[Any]) -> None:
    find = find_person(plan_of(fields))
    assert isinstance(getattr(find, "__self__", None), found_by)


ADDRESS: Final = st.sampled_from(
    ["", "ada.byron@acme.example", "ADA@acme.example", "zoë+x@acme.example", "ab@x.example", "ada%2Ebyron", "a" * 1025]
)
TEXTS: Final = ("ada", "byron", "AdaByron", "ada.byron", "zoe", "zoex", "canada", "ab", "job")


def repeated(find: Any, message: Any, raw: bytes) -> Any:
    """What of some texts repeats a word of the person; None where there is none, and why an item is refused."""
    context = DecisionContext(Facts(0))
    try:
        find(message, raw, context)
    except Refused as error:
        return error.reason
    person = context.person
    return None if person is None else [person.repeats(text, TEXTS, user_id=False) for text in TEXTS]


PLAN: Final = plan_of(MAILS)
MESSAGE: Final = contract(proto(f"message M {{ {MAILS} }}")).message_class("t.M")


@settings(deadline=None)
@given(mail=ADDRESS, cc=st.none() | ADDRESS)
def test_it_is_the_same_as_by_parsing_the_item_anew(mail: str, cc: str | None) -> None:
    assert PLAN.person is not None
    raw = MESSAGE(mail=mail, cc=cc).SerializeToString()
    parsed = read(build(PLAN.messages)[0], raw)
    off_the_item = repeated(find_person(PLAN), parsed, raw)
    assert off_the_item == repeated(PersonOfItem(PLAN, PLAN.person).find, parsed, raw)
    assert (off_the_item is ItemReason.TOO_LARGE) == (1025 in map(len, (mail, cc or "")))
