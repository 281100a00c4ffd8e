"""The minimiser against the slow oracle, over random contracts, destinations and messages; and against random bytes."""

from __future__ import annotations

from typing import Final

import msgspec
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gateway.contracts.contract import Contract
from gateway.errors import BadPolicy, Refused
from gateway.minimise.engine import Minimiser
from gateway.model import Category, Facts, Recipient, Release, Withheld
from gateway.plan import Plan
from gateway.policy.compile import Compiler
from gateway.policy.load import PolicyFile
from tests.build import NOW, decode, policy
from tests.chance import Chance, Wire, contract
from tests.oracle import Oracle, shape

BYTES: Final = 1000
POLICY: Final = policy()
INSIDE: Final = tuple(POLICY.policy.destinations["eu-service"].allow)
INDIRECT: Final = (Category.USER_ID, Category.WORK_EMAIL, Category.OPERATIONAL)
FACTS: Final = (
    Facts(NOW * 10**9),
    Facts(NOW * 10**9, directory=True, verified=frozenset({"acme.example"})),
    Facts(NOW * 10**9, directory=True),
    Facts(NOW * 10**9, personal=True),
)


def file(chance: Chance) -> PolicyFile:
    """A policy with one destination, `here`, inside the EU or outside."""
    region = chance.pick(("FR", "FR", "US", "JP"))
    options = {"FR": sorted(INSIDE), "US": INDIRECT, "JP": (Category.OPERATIONAL,)}[region]
    allow = frozenset(category for category in options if not chance.rarely(10))
    given = msgspec.structs.replace(
        POLICY.policy.destinations["eu-service"], region=region, recipient=chance.pick(tuple(Recipient)), allow=allow
    )
    timestamps = None if chance.rarely(4) else POLICY.policy.timestamps
    changed = msgspec.structs.replace(POLICY.policy, destinations={"here": given}, timestamps=timestamps)
    return PolicyFile(changed, POLICY.origin, POLICY.path)


def verdict(oracle: Oracle, held: Contract, raw: bytes, facts: Facts) -> object:
    """What the oracle says, in a form to compare."""
    try:
        message = oracle.decide("x0.M0", raw, facts)
    except Refused as error:
        return error.reason
    return None if message is None else list(shape(message, held))


def decided(engine: Minimiser, held: Contract, raw: bytes, facts: Facts) -> object:
    """What the engine says, in the same form. Its output has the original type, and nothing unknown in it."""
    try:
        said = engine.decide(raw, facts)
    except Refused as error:
        return error.reason
    if isinstance(said, Withheld):
        return None
    assert isinstance(said, Release)
    return list(shape(decode(held, "x0.M0", said.payload), held))


@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.binary(min_size=BYTES, max_size=BYTES))
def test_the_minimiser_does_what_the_oracle_does(data: bytes) -> None:
    chance = Chance(data)
    held = contract(chance)
    compiler = Compiler(held, file(chance))
    oracle = Oracle(held, compiler.classes, compiler.site("here"))
    try:
        plan = compiler.plan("x0.M0", "here")
    except BadPolicy:
        event("a required field would be stripped")
        assert oracle.strips_required("x0.M0")
        return
    assert not oracle.strips_required("x0.M0")
    copy = Plan.load(plan.dump())
    assert (copy, copy.digest) == (plan, plan.digest)
    engine, again = Minimiser(plan), Minimiser(copy)
    for _ in range(3):
        raw, facts = Wire(chance, held).message(held.message("x0.M0")), chance.pick(FACTS)
        wanted = verdict(oracle, held, raw, facts)
        event(type(wanted).__name__)
        for one in (engine, engine, again):
            assert decided(one, held, raw, facts) == wanted
