"""Values, texts and names that contracts and policy list one by one.

What doesn't load, and what `lint` says of them.
"""

from __future__ import annotations

from typing import Final

import pytest

from gateway.errors import BadPolicy
from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from gateway.policy.review.findings import Severity
from gateway.policy.review.lint import lint
from tests.support.contracts import POLICY, contract, proto

ERROR, WARNING = Severity.ERROR, Severity.WARNING
USER: Final = "message A { string id = 1 @USER_ID; }"

PERSONAL: Final = (
    "ada@gmail.com signed in",
    "call 0612345678",
    "card 4111111111111111",
    "paid to FR7630006000011234567890189",
    "user 185057800608491 signed in",
    "from 82.64.12.7",
    "at 48.8566,2.3522",
    "call +33_6_12_34_56_78 or ada[at]gmail.com",
    "YWRhQGdtYWlsLmNvbQ==",
)


def loads(more: str) -> Compiler:
    return Compiler(contract(proto(USER)), parse(f"{POLICY}flows: {{}}\n{more}"))


@pytest.mark.parametrize("key", ["log_templates", "span_names"])
@pytest.mark.parametrize("text", PERSONAL)
def test_a_listed_text_with_something_personal_in_it_does_not_load(key: str, text: str) -> None:
    with pytest.raises(BadPolicy, match=rf"otlp\.{key}\[1\]: looks like") as caught:
        loads(f"otlp: {{{key}: [server started, '{text}']}}")
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("tracking_plan: {call_0612345678: {}}", "tracking_plan.call_0612345678"),
        (
            "tracking_plan: {a.b: {properties: {x_0612345678: {type: string}}}}",
            "tracking_plan.a.b.properties.x_0612345678",
        ),
        ("otlp: {attributes: {ada@gmail.com: OPERATIONAL}}", "otlp.attributes.ada@gmail.com"),
    ],
)
def test_a_listed_name_with_something_personal_in_it_does_not_load(more: str, place: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        loads(more)
    assert f"{place}: looks like" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["server started", "{} of {} done", "user {user_id} signed in", "took %.3f s", "GET /v1/videos/{id} 200", "v1.2.3"],
)
def test_a_listed_text_without_it_loads(text: str) -> None:
    otlp = loads(f"otlp: {{log_templates: ['{text}'], span_names: ['{text}']}}").policy.otlp
    assert otlp.log_templates == otlp.span_names == (text,)


P: Final = "tracking_plan.a.b.properties.p"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("tracking_plan: {a.b: {properties: {p: {one_of: [male, female]}}}}", {(ERROR, "never-word", P)}),
        ("tracking_plan: {a.b: {properties: {p: {one_of: [none, pregnant, muslim]}}}}", {(ERROR, "never-word", P)}),
        ("tracking_plan: {a.b: {properties: {p: {one_of: [genre]}}}}", {(WARNING, "never-word", P)}),
        ("tracking_plan: {a.b: {properties: {p: {one_of: [a, ada@gmail.com]}}}}", {(WARNING, "value-flagged", P)}),
        (("otlp: {attributes: {x.kind: {category: OPERATIONAL, one_of: "
         "[catholique]}}}"), {(ERROR, "never-word", "otlp.attributes.x.kind")}),
        # How somebody signs in is no secret.
        ("tracking_plan: {a.b: {properties: {p: {one_of: [password, passkey, iban]}}}}", set()),
        ("tracking_plan: {user.hiv_positive: {}}", {(ERROR, "never-word", "tracking_plan.user.hiv_positive")}),
        ("tracking_plan: {password.changed: {}, email.sent: {}, location.opened: {}}", set()),
        ("tracking_plan: {a.b: {properties: {salary: {min: 0, max: 1000000}}}}",
            {(WARNING, "personal-word", "tracking_plan.a.b.properties.salary")}),
        ("tracking_plan: {a.b: {properties: {first_name: {pattern: '[A-Za-z]{1,20}'}}}}",
            {(WARNING, "personal-word", "tracking_plan.a.b.properties.first_name")}),
        ("tracking_plan: {a.b: {properties: {phone_kind: {pattern: 'k[0-9]'}, email_code: {min: 0, max: 99}}}}", set()),
        (("otlp: {log_templates: [user is pregnant, password "
         "changed]}"), {(ERROR, "never-word", "otlp.log_templates[0]")}),
        ("otlp: {span_names: [set gender]}", {(ERROR, "never-word", "otlp.span_names[0]")}),
        ("otlp: {log_templates: [health check passed, race condition, server address changed]}", set()),
    ],
)  # fmt: skip
def test_lint_reads_listed_values_and_texts(more: str, expected: set[tuple[Severity, str, str]]) -> None:
    assert {
        (one.severity, one.code, one.place)
        for one in lint(loads(more))
        if one.code.startswith(("never", "value", "personal"))
    } == expected
