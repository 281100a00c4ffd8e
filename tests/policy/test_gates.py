"""Projects that are backed up go nowhere but through the gate that asks whether their company wants that."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadPolicy, FieldReason
from gateway.model import Facts, Gate, Switch
from gateway.plan import Plan
from gateway.policy.compile import Compiler
from gateway.policy.covers import covers, covers_terms
from gateway.policy.load import parse
from tests.support.contracts import POLICY, contract, encode, policy, proto, release_of
from tests.support.gated_projects import BACKUP, CONTRACT, HEAD, PACKAGE, compiled

WITHOUT: Final = BACKUP.replace("gates: [backup], ", "")
PROMISE: Final = "say `gates: [backup]`: a company's projects go where it has switched backup on, and nowhere else"
CALLER: Final = "callers: {c: {region: FR, allow: [OPERATIONAL, CONTENT]}}"


def route(method: str, destination: str) -> str:
    return (
        f"routes: [{{authority: a, upstream: 'unix:/a', destination: {destination}, "
        f"methods: [{PACKAGE}.ProjectService/{method}], {CALLER}}}]"
    )


def refusal(destination: str, type: str) -> BadPolicy | None:
    try:
        compiled(f"{{{PACKAGE}.{type}: [backup]}}", destination=destination).plans()
    except BadPolicy as error:
        return error
    return None


@pytest.mark.parametrize(
    ("type", "needs"),
    [
        ("Project", True),
        ("BackUpProjectRequest", True),
        ("GetProjectResponse", True),
        ("ListProjectsResponse", True),
        ("Both", True),
        ("WebProject", False),
        ("Scene", False),
        ("Asset", False),
        ("Letter", False),
        ("GetProjectRequest", False),
    ],
)
def test_whatever_brings_a_project_that_is_backed_up_needs_the_gate(type: str, needs: bool) -> None:
    assert refusal(BACKUP, type) is None
    error = refusal(WITHOUT, type)
    assert (error is not None) is needs
    if error is not None:
        line = POLICY.count("\n") + 1
        assert str(error) == (
            f"policy.yaml:{line}: destinations.backup.gates: gets content of {PACKAGE}.{type}; {PROMISE}"
        )


@pytest.mark.parametrize(
    ("old", "new", "needs"),
    [
        ("gates: [backup], ", "gates: [], ", True),
        ("recipient: store", "recipient: service", True),
        ("recipient: store", "recipient: vendor", True),
        ("purpose: functional.storage", "purpose: functional.service", True),
        (", CONTENT]", "]", False),
    ],
)
def test_no_other_word_of_the_policy_takes_the_gate_s_place(old: str, new: str, needs: bool) -> None:
    destination = (BACKUP if "gates" in old else WITHOUT).replace(old, new)
    assert (refusal(destination, "Project") is not None) is needs


@pytest.mark.parametrize("gates", ["[bakcup]", "[Backup]", "[backup, more]", "backup", "[null]"])
def test_a_gate_that_nobody_knows_does_not_load(gates: str) -> None:
    with pytest.raises(BadPolicy, match=r"destinations\.backup\.gates"):
        parse(f"{POLICY}{BACKUP.replace('[backup]', gates)}flows: {{}}\n")


@pytest.mark.parametrize(
    ("method", "destination", "needs"),
    [("BackUpProject", WITHOUT, True), ("BackUpProject", BACKUP, False), ("GetProject", WITHOUT, False)],
)
def test_a_call_that_brings_a_project_needs_it_and_an_answer_does_not(
    method: str, destination: str, needs: bool
) -> None:
    made = compiled(more=route(method, "backup"), destination=destination)
    if not needs:
        assert made.method_table.methods
        return
    with pytest.raises(BadPolicy, match=rf"destinations\.backup\.gates: .*{PACKAGE}\.BackUpProjectRequest"):
        _ = made.method_table


@pytest.mark.parametrize(("method", "passes"), [("BackUpProject", False), ("GetProject", True)])
def test_no_project_passes_in_shadow(method: str, passes: bool) -> None:
    made = compiled(
        more=route(method, "eu-service").replace("authority: a", "authority: a, mode: shadow"), destination=""
    )
    if passes:
        assert made.method_table.methods
        return
    with pytest.raises(
        BadPolicy, match=r"routes\[0\]\.mode: must be enforce: /kannelle.*BackUpProject: a company's projects"
    ):
        _ = made.method_table


@pytest.mark.parametrize(("destination", "kept"), [(BACKUP, {"any", "id"}), (WITHOUT, {"any", "id"})])
def test_a_project_in_an_any_leaves_by_the_gate_only(destination: str, kept: set[str]) -> None:
    plan = compiled(destination=destination).plan(f"{PACKAGE}.Letter", "backup")
    assert {field.name for field in plan.messages[0].fields} == kept
    text = f"id: 'l' any {{ [type.googleapis.com/{PACKAGE}.BackUpProjectRequest] {{ project {{ title: 'x' }} }} }}"
    raw = encode(CONTRACT, f"{PACKAGE}.Letter", text)
    release = release_of(ReferenceEngine(plan), raw, Facts(0, backup=Switch.ON))
    assert (release.payload == raw) is bool(plan.gates)
    reasons = [] if plan.gates else [FieldReason.TYPE_NOT_IN_CONTRACT]
    assert [one.reason for one in release.stripped] == reasons


def test_a_plan_says_its_gates_as_data() -> None:
    gated = compiled().plan(f"{PACKAGE}.Asset", "backup")
    free = compiled(destination=WITHOUT).plan(f"{PACKAGE}.Asset", "backup")
    assert (gated.gates, free.gates) == ((Gate.BACKUP,), ())
    assert b'"gates":["backup"]' in gated.dump()
    assert Plan.load(gated.dump()) == gated
    assert gated.digest != free.digest


def test_a_gate_less_covers_a_gate_more_and_not_the_reverse() -> None:
    gated = compiled().plan(f"{PACKAGE}.Asset", "backup")
    free = msgspec.structs.replace(gated, gates=())
    assert (covers(free, gated), covers(gated, free), covers(gated, gated)) == (True, False, True)
    terms = compiled().terms("backup")
    open_terms = msgspec.structs.replace(terms, gates=())
    assert (covers_terms(open_terms, terms), covers_terms(terms, open_terms)) == (True, False)


# ── Of types that lead to one another at random ─────────────────────────────────────────────────────────────────────

TYPES: Final = ("A", "B", "C", "WebProject", "Project")
HOLDS: Final = st.lists(
    st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES), st.booleans()), max_size=9, unique=True
)
"""Which type holds which, and whether the field that does may leave."""


def leads(holds: list[tuple[str, str, bool]], type: str) -> bool:
    """Whether a project that is backed up can be reached: step by step, never from within a project of the web."""
    reached = {type}
    for _ in TYPES:
        reached |= {held for holder, held, kept in holds if kept and holder in reached and holder != "WebProject"}
    return "Project" in reached


@settings(max_examples=60, deadline=None)
@given(HOLDS)
def test_types_that_lead_to_a_project_need_the_gate_and_no_other(holds: list[tuple[str, str, bool]]) -> None:
    fields = {
        name: [
            f"{held} f{number} = {number}{'' if kept else ' @NAME'};"
            for number, (holder, held, kept) in enumerate(holds, 2)
            if holder == name
        ]
        for name in TYPES
    }
    body = "".join(f"message {name} {{ string id = 1 @CONTENT; {' '.join(fields[name])} }}\n" for name in TYPES)
    made = Compiler(contract(proto(body, HEAD)), policy(destinations=WITHOUT))
    types = {name: f"{PACKAGE}.{name}" for name in TYPES}
    found = {
        name for name in TYPES if made.projector(types[name], "backup").lacks_gate(made.contract.message(types[name]))
    }
    assert found == {name for name in TYPES if leads(holds, name)}
