"""Named patterns: what can't be, and that a field judged by a name is judged as if the pattern stood there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
import re2
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.errors import BadPolicy
from gateway.otlp.signals import LOGS
from gateway.policy.compile import Compiler
from gateway.policy.document import Policy
from gateway.policy.load import parse
from gateway.policy.review.changes import Change, Effect
from gateway.policy.review.diff import diff
from gateway.policy.review.exemptions import exemptions
from gateway.policy.review.explain import explain
from gateway.policy.review.lint import lint
from tests.support.contracts import POLICY, contract, proto
from tests.support.kannelle_policy import KANNELLE_POLICY

HELD: Final = contract(proto("message A { string id = 1 @USER_ID; string code = 2; }"))
CALLERS: Final = (
    "callers: {web.example: {region: FR, allow: [OPERATIONAL], metadata: {keys: {x-b: {category: OPERATIONAL, SAID}}}}}"
)
PLACES: Final = f"""
flows: {{t.A: [eu-service, eu-vendor], otlp/logs: [eu-log], kannelle.privacy.v1.AnalyticsService/*: [eu-vendor]}}
classifications: {{t.A.code: {{category: OPERATIONAL, SAID}}}}
tracking_plan: {{video.made: {{properties: {{code: {{SAID}}}}}}}}
otlp: {{attributes: {{app.code: {{category: OPERATIONAL, without: [phone], SAID}}}}}}
routes: [{{authority: a.example, upstream: "dns:///a.example:443", listener: inbound, destination: eu-service, {CALLERS}}}]
"""
METADATA: Final = (
    "exporter: {kind: 'null'}, metadata: {keys: {x-a: {category: OPERATIONAL, SAID}}, baggage: {b: {category: "
    "OPERATIONAL, SAID}}}"
)
BASE: Final = POLICY.replace("exporter: {kind: 'null'}", METADATA, 2)
ID: Final = 'user_id: {pattern: "usr_[A-Za-z0-9]{1,32}"}'
LINE: Final = (POLICY + "flows: {}\n").count("\n") + 1
"""The line after a policy that has no patterns."""


def everywhere(said: str) -> str:
    """A policy in which the same is `said` wherever a pattern may stand."""
    return (BASE + PLACES).replace("SAID", said)


WRITTEN: Final = everywhere("pattern: 'ord_[0-9]{1,9}'")
SHAPED: Final = everywhere("shape: order") + "patterns: {order: 'ord_[0-9]{1,9}'}\n"


def unnamed(text: str) -> Policy:
    """The policy without its names, which nothing but words depends on."""
    return msgspec.structs.replace(parse(text).policy, patterns={})


def test_a_name_is_the_pattern_wherever_one_may_stand() -> None:
    assert WRITTEN.count("ord_") == 8
    assert unnamed(SHAPED) == unnamed(WRITTEN)


def test_a_user_id_may_refer_to_a_name() -> None:
    named = POLICY.replace(ID, "user_id: {shape: user}") + "flows: {}\npatterns: {user: 'usr_[A-Za-z0-9]{1,32}'}\n"
    assert unnamed(named) == unnamed(POLICY + "flows: {}\n")


def test_what_is_made_of_a_name_is_what_is_made_of_its_pattern() -> None:
    named, written = (Compiler(HELD, parse(text)) for text in (SHAPED, WRITTEN))
    assert named.plans() == written.plans()
    assert [*exemptions(named)] == [*exemptions(written)] != []
    assert diff(written, named).changes == ()
    assert named.claims == written.claims


def test_a_name_is_linted_as_its_pattern() -> None:
    digits = (text.replace("ord_[0-9]{1,9}", "[0-9]{1,10}") for text in (SHAPED, WRITTEN))
    named, written = (lint(Compiler(HELD, parse(text))) for text in digits)
    assert named == written != ()


PATTERNS: Final = st.sampled_from(["a{1,9}", "ord_[0-9]{1,9}", "[0-9]{1,4}", "x|y", r"v[0-9](\.[0-9]){0,3}"])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(PATTERNS, st.booleans(), st.sampled_from(["", ", max_length: 7", ", without: [phone]"])),
        min_size=1,
        max_size=6,
    )
)
def test_a_policy_with_names_is_the_policy_written_out(drawn: list[tuple[str, bool, str]]) -> None:
    names = {pattern: f"s{index}" for index, (pattern, shaped, _) in enumerate(drawn) if shaped}

    def document(*, shaped: bool) -> str:
        said = (f"shape: {names[p]}" if shaped and p in names else f"pattern: {json.dumps(p)}" for p, _, _ in drawn)
        held = (f"k{at}: {{category: OPERATIONAL, {text}{drawn[at][2]}}}" for at, text in enumerate(said))
        listed = {name: pattern for pattern, name in names.items()}
        return f"{POLICY}flows: {{}}\notlp: {{attributes: {{{', '.join(held)}}}}}\n" + (
            f"patterns: {json.dumps(listed)}" if shaped else ""
        )

    assert unnamed(document(shaped=True)) == unnamed(document(shaped=False))


def attribute(said: str) -> str:
    return f"otlp: {{attributes: {{k: {{category: OPERATIONAL, {said}}}}}}}"


AT: Final = "otlp.attributes.k"
UNUSED: Final = "is used nowhere: no `shape` names it"
BOTH: Final = "stands beside a pattern; there is one of the two"
ENDLESS: Final = "not bounded in length: '*' (use a repetition with an upper bound, such as {1,64})"
LONG: Final = "may match 500 characters; with without, 400 at most, by itself or by max_length"
OPEN: Final = "needs a pattern beside it, and no one_of, that says what the values are"


@pytest.mark.parametrize(
    ("patterns", "said", "faults"),
    [
        ("{a: x}", "shape: a", []),
        ("{a: x}", "shape: b", [f"0: patterns.a: {UNUSED}", f"1: {AT}.shape: is no named pattern; must be a"]),
        ("{}", "shape: b", [f"1: {AT}.shape: is no named pattern; there is none"]),
        (
            "{abc: x, y: z}",
            "shape: abd",
            [
                f"0: patterns.abc: {UNUSED}",
                f"0: patterns.y: {UNUSED}",
                f"1: {AT}.shape: is no named pattern; must be one of abc, y; did you mean abc?",
            ],
        ),
        ("{a: x}", "pattern: x", [f"0: patterns.a: {UNUSED}"]),
        ("{a: x}", "shape: a, pattern: y", [f"1: {AT}.shape: {BOTH}"]),
        ("{a: x, b: x}", "shape: a", [f"0: patterns.b: {UNUSED}", ("0: patterns.b: is the pattern of a too; a pattern "
                                                                  "has one name")]),
        ("{a: 'x*'}", "shape: a, without: [phone]", [f"0: patterns.a: {ENDLESS}"]),
        ("{a: '(x'}", "shape: a", ["0: patterns.a: not a valid RE2 pattern: missing )"]),
        ("{a: ''}", "shape: a", ["0: patterns.a: must be of 1 or more characters"]),
        (f"{{a: {'x' * 4097}}}", "shape: a", ["0: patterns.a: must be of 4096 or fewer characters"]),
        ("{A b: x}", "shape: a", [("0: patterns.A b: must be a name of lower-case letters, digits and hyphens, a "
                                  "letter first")]),
        ("{a: x}", "shape: 7", [f"1: {AT}.shape: must be text; write it in quotes"]),
        ("{a: '[0-9]{1,500}'}", "shape: a, without: [phone]", [f"1: {AT}.shape: {LONG}"]),
        ("{a: '[0-9]{1,500}'}", "shape: a, max_length: 9, without: [phone]", []),
        ("{a: x}", "shape: a, one_of: [x], without: [phone]", [f"1: {AT}.without: {OPEN}"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where_it_stands(patterns: str, said: str, faults: list[str]) -> None:
    text = f"{POLICY}flows: {{}}\npatterns: {patterns}\n{attribute(said)}\n"
    assert list(told(text)) == [f"policy.yaml:{LINE + int(one[0])}: {one[3:]}" for one in faults]


@pytest.mark.parametrize(
    ("user_id", "patterns", "fault"),
    [
        ("{}", "", "3: user_id.pattern: is required, or the shape that names one"),
        ("{shape: u}", "", "3: user_id.shape: is no named pattern; there is none"),
        ("{shape: u}", "patterns: {u: '[a-z]{1,32}'}", "3: user_id.shape: "),
        ("{shape: u, pattern: 'usr_[a-z]{1,9}'}", "patterns: {u: 'u_[a-z]{1,9}'}", f"3: user_id.shape: {BOTH}"),
    ],
)  # fmt: skip
def test_a_user_id_has_a_pattern_or_the_name_of_one(user_id: str, patterns: str, fault: str) -> None:
    (said,) = told(POLICY.replace(ID, f"user_id: {user_id}") + f"flows: {{}}\n{patterns}\n")
    assert said.startswith(f"policy.yaml:{fault}")


def test_a_property_is_told_of_its_name() -> None:
    text = (
        f"{POLICY}flows: {{}}\npatterns: {{a: x}}\ntracking_plan: {{e.f: {{properties: {{p: {{type: integer, shape: "
        f"a}}}}}}}}\n"
    )
    assert list(told(text)) == [
        f"policy.yaml:{LINE + 1}: tracking_plan.e.f.properties.p.shape: is not for a property of type integer"
    ]


def told(text: str) -> Iterator[str]:
    try:
        parse(text)
    except BadPolicy as error:
        yield from str(error).splitlines()


def test_explain_names_the_pattern_beside_it() -> None:
    view = dict(explain(Compiler(HELD, parse(SHAPED)), "t.A", "eu-service").walk())
    assert view["code"].wording.startswith("matches order: ord_[0-9]{1,9}, ")


def changed(old: str, new: str) -> tuple[Change, ...]:
    return diff(*(Compiler(HELD, parse(text)) for text in (old, new))).changes


def test_a_wider_pattern_is_released_at_each_field_and_told_once() -> None:
    wider = "ord_[0-9]{1,10}"
    named = changed(SHAPED, SHAPED.replace("ord_[0-9]{1,9}", wider))
    written = changed(WRITTEN, WRITTEN.replace("ord_[0-9]{1,9}", wider))
    (noted,) = (one for one in named if one.field.startswith("patterns."))
    assert (noted.effect, noted.field) == (Effect.NOTED, "patterns.order")
    assert noted.text.startswith(f"was: ord_[0-9]{{1,9}}; now: {wider}; in ")
    assert noted.text.count("code") == 3
    assert [place(one) for one in named if one != noted] == [place(one) for one in written]
    released = [one.text for one in named if one.effect is Effect.RELEASED]
    assert len(released) > 7
    assert all(
        "was: matches order as it was" in one and "now: matches order as it is now, see patterns.order" in one
        for one in released
    )


def place(change: Change) -> tuple[str, ...]:
    return (change.effect, change.field, change.destination, change.type)


def test_another_name_changes_nothing() -> None:
    assert changed(SHAPED, SHAPED.replace("shape: order", "shape: ref").replace("{order:", "{ref:")) == ()


def test_a_field_of_another_name_shows_both_patterns() -> None:
    new = SHAPED.replace(
        "t.A.code: {category: OPERATIONAL, shape: order", "t.A.code: {category: OPERATIONAL, shape: any"
    ).replace("patterns: {", "patterns: {any: '[a-z]{1,9}', ")
    texts = {one.text for one in changed(SHAPED, new)}
    assert all(
        "was: matches order: ord_[0-9]{1,9}" in text and "now: matches any: [a-z]{1,9}" in text for text in texts
    )
    assert texts


MAX_UNNAMED_CHARS: Final = 120
"""Of a pattern that stands where it is used."""


def patterns_of(held: Any) -> Iterator[str]:
    if isinstance(held, dict):
        yield from (value for key, value in held.items() if key == "pattern" and isinstance(value, str))
        yield from (one for value in held.values() for one in patterns_of(value))


def test_kannelles_long_and_repeated_patterns_have_names() -> None:
    document = yaml.load(KANNELLE_POLICY, Loader=yaml.BaseLoader)
    found = [*patterns_of(document)]
    assert [
        one
        for one in found
        if len(one) > MAX_UNNAMED_CHARS or found.count(one) > 1 or one in document["patterns"].values()
    ] == []


def test_kannelles_names_say_what_they_let_through_with_examples_that_do() -> None:
    named = re.findall(
        r"((?:^  # .+\n)+)^  ([a-z0-9-]+): '(.+)'$", KANNELLE_POLICY.partition("\npatterns:\n")[2], re.MULTILINE
    )
    assert {name for _, name, _ in named} == parse(KANNELLE_POLICY).policy.patterns.keys()
    for comment, name, pattern in named:
        examples = re.findall("`([^`]+)`", comment.replace("\n  # ", " ").partition("Such as ")[2])
        assert examples, name
        assert all(re2.fullmatch(pattern, example) for example in examples), name


def test_explain_names_kannelles_versions() -> None:
    made = Compiler(load_contracts([default_contract()]), parse(KANNELLE_POLICY))
    words = {node.key: node.wording for _, node in explain(made, LOGS.item, "application-log").walk()}
    assert words["otlp.attributes.service.version"].startswith("matches version: (semver:)?")
