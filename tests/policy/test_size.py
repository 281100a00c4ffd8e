"""What is done with a contract takes steps in proportion to its size, whatever its shape, and no stack to speak of."""

from __future__ import annotations

import gc
from collections.abc import Callable
from cProfile import Profile
from functools import cache

import pytest

from gateway.contracts.contract import Contract
from gateway.errors import BadContract, BadPolicy
from gateway.pipeline.categories import Categories
from gateway.pipeline.flows import Flows
from gateway.policy import compile as compiling
from gateway.policy.compile import Compiler
from gateway.policy.review.diff import diff
from gateway.policy.review.explain import explain
from gateway.policy.review.lint import lint
from gateway.policy.scaffold.first_policy import first_policy
from tests.support import oversized_contracts
from tests.support.contracts import contract, policy, proto

FILE = policy(flows="{t.M0: [us-vendor, eu-log]}")


def made(held: Contract) -> Compiler:
    """A compiler of its own, so that nothing is known already."""
    return Compiler(Contract(held.files.values()), FILE)


def numbers(held: Contract) -> None:
    categories = Categories(held, {})
    for name in held.messages:
        categories.numbers(name)


WORK: dict[str, Callable[[Contract], object]] = {
    "compile": lambda held: made(held).plans(),
    "lint": lambda held: lint(made(held)),
    "explain": lambda held: sum(1 for _ in explain(made(held), "t.M0", "us-vendor").walk()),
    "diff": lambda held: diff(made(held), made(held)),
    "run": lambda held: Flows(made(held)),
    "count": numbers,
    "first policy": lambda held: first_policy(Contract(held.files.values())),
}


def calls(work: Callable[[Contract], object], held: Contract) -> int:
    """How many calls of functions, Python's and C's, some work takes."""
    profile = Profile()
    gc.disable()
    profile.enable()
    try:
        work(held)
    finally:
        profile.disable()
        gc.enable()
    return sum(entry.callcount for entry in profile.getstats())


@cache
def calls_for_one_type(work: str) -> int:
    held = contract(oversized_contracts.proto_text(oversized_contracts.many, 1))
    WORK[work](held)  # patterns are remembered
    return calls(WORK[work], held)


@pytest.mark.parametrize("shape", oversized_contracts.SHAPES)
@pytest.mark.parametrize("work", WORK)
def test_twice_the_size_takes_about_twice_the_steps(shape: str, work: str) -> None:
    small, large = (
        contract(oversized_contracts.proto_text(oversized_contracts.SHAPES[shape], size)) for size in (300, 600)
    )
    WORK[work](large)  # patterns are remembered
    nothing = calls_for_one_type(work)
    assert calls(WORK[work], large) - nothing < 2.5 * max(calls(WORK[work], small) - nothing, 1000)


@pytest.mark.parametrize("shape", ["chain", "chain_to_a_user", "rings", "doubling"])
@pytest.mark.parametrize("work", WORK)
def test_types_that_follow_one_another_take_no_stack(shape: str, work: str) -> None:
    WORK[work](contract(oversized_contracts.proto_text(oversized_contracts.SHAPES[shape], 1200)))


def test_a_subject_that_can_be_reached_in_many_ways_is_ambiguous_at_once() -> None:
    with pytest.raises(BadContract, match=r"^f0\.proto: t\.M0: .* could be the subject; mark one with `subject`$"):
        made(contract(oversized_contracts.proto_text(oversized_contracts.doubling, 60))).subject("t.M0")


@pytest.mark.parametrize("work", ["compile", "explain"])
def test_what_one_policy_compiles_is_bounded(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MAX_FIELDS_COMPILED", 1000)
    with pytest.raises(BadPolicy, match="flows and routes lead more than 1000 fields to destinations; name fewer"):
        WORK[work](contract(oversized_contracts.proto_text(oversized_contracts.wide, 1001)))


def test_what_is_told_uses_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = made(contract(oversized_contracts.proto_text(oversized_contracts.wide, 90)))
    monkeypatch.setattr(compiling, "MAX_FIELDS_COMPILED", 300)
    for _ in range(10):
        explain(compiler, "t.M0", "eu-log")


def test_a_type_is_told_where_it_stands_highest() -> None:
    """`Deep` is met first below `a`, two levels down, and stands on the first by `b`."""
    body = (
        "message M0 { A a = 1; Deep b = 2; } message A { Deep deep = 1; } message Deep { string s = 1 @OPERATIONAL; }"
    )
    told = dict(explain(made(contract(proto(body))), "t.M0", "eu-log").walk())
    assert (told["a.deep"].shown_above, told["b"].shown_above) == (True, False)
    assert told["b.s"].kept
