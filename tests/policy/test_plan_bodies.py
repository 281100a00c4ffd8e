"""What plans have in common is there once: bodies, tables, rules, and what was found out about their patterns."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.errors import BadPolicy
from gateway.plan import Plan
from gateway.policy import compile as compiling
from gateway.policy.person_probes import first_passing
from tests.support.contracts import compiler

BODY: Final = """
message A { string id = 1 @USER_ID; string name = 2 @NAME; Team team = 3; string token = 4 @OPERATIONAL; }
message B { Team team = 1; string name = 2 @NAME; A a = 3; }
message Team { string id = 1 @OPERATIONAL; repeated Place places = 2; }
message Place { string code = 1 @{category: OPERATIONAL, one_of: ["a", "b"]}; int32 floor = 2 @OPERATIONAL; }
"""
PARTS: Final = ("messages", "rules", "anys", "targets", "person")
PATTERN: Final = "of-[0-9a-f]{2}-none"
SAME: Final = [("eu-service", "eu-store"), ("us-service", "us-store"), ("eu-log", "eu-indirect")]


def parts(plan: Plan) -> list[int]:
    """The identities of what a plan shares."""
    return [id(getattr(plan, part)) for part in PARTS]


@pytest.mark.parametrize("type", ["t.A", "t.B", "t.Team"])
@pytest.mark.parametrize(("first", "second"), SAME)
def test_plans_of_equal_terms_differ_in_nothing_but_their_destination(first: str, second: str, type: str) -> None:
    made = compiler(BODY)
    plans = [made.plan(type, first), made.plan(type, second)]
    assert [plan.destination for plan in plans] == [first, second]
    assert parts(plans[0]) == parts(plans[1])


@pytest.mark.parametrize("type", ["t.A", "t.B", "t.Team"])
@pytest.mark.parametrize("destination", ["eu-service", "eu-store", "us-vendor", "us-store", "eu-log", "eu-indirect"])
def test_a_plan_that_shares_is_as_one_made_alone(destination: str, type: str) -> None:
    shared = compiler(BODY)
    for name in shared.policy.destinations:
        for other in ("t.Team", "t.B", "t.A"):
            shared.plan(other, name)
    alone = compiler(BODY).plan(type, destination)
    assert shared.plan(type, destination).dump() == alone.dump()
    assert shared.plan(type, destination).digest == alone.digest


def test_bodies_are_shared_by_what_they_say_and_not_by_what_they_were_made_for() -> None:
    """The two regions' terms differ in what they allow, and of this type neither gets anything of that."""
    made = compiler(BODY)
    assert parts(made.plan("t.Team", "eu-service")) == parts(made.plan("t.Team", "eu-vendor"))


def test_equal_tables_and_rules_of_different_plans_are_one_object() -> None:
    made = compiler(BODY)
    plans = [made.plan(item, name) for item in ("t.A", "t.B", "t.Team") for name in made.policy.destinations]
    for part in ("messages", "rules"):
        held = [one for plan in plans for one in getattr(plan, part)]
        assert len({id(one) for one in held}) == len({repr(one) for one in held}) < len(held)


def test_what_two_plans_share_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = sum(len(message.fields) for message in compiler(BODY).plan("t.Team", "eu-service").messages)
    monkeypatch.setattr(compiling, "MAX_FIELDS_COMPILED", fields)
    made = compiler(BODY)
    for name in ("eu-service", "eu-store", "eu-vendor"):
        made.plan("t.Team", name)
    with pytest.raises(BadPolicy, match="flows and routes lead more than"):
        made.plan("t.Team", "us-service")


def test_probes_are_tried_once_for_each_pattern_wherever_it_leads() -> None:
    fields = " ".join(f'string f{i} = {i} @{{category: OPERATIONAL, pattern: "{PATTERN}"}};' for i in range(1, 9))
    made = compiler(f"message A {{ {fields} }} message B {{ A a = 1; {fields.replace('= ', '= 1')} }}")
    before = first_passing.cache_info().misses
    for destination in ("us-service", "us-store", "us-vendor"):
        for item in ("t.A", "t.B"):
            made.plan(item, destination)
    assert first_passing.cache_info().misses <= before + 1


@pytest.mark.parametrize("destination", ["us-service", "us-store", "us-vendor"])
def test_each_destination_is_named_where_its_plan_fails(destination: str) -> None:
    made = compiler('message A { string a = 1 @{category: OPERATIONAL, pattern: "x_[A-Za-z]{1,30}"}; }')
    for name in ("us-service", "us-store", "us-vendor", destination):
        with pytest.raises(BadPolicy, match=rf"destinations\.{name}: t\.A\.a"):
            made.plan("t.A", name)
