"""Templates as the policy has them: what they may say, and that they fit vendor and contract."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.demo import proposed_exporters as proposed
from gateway.errors import BadPolicy
from gateway.exporters.segment.settings import SegmentSettings
from gateway.exporters.template import html
from gateway.exporters.template.checks import MAP_NOT_ALLOWED
from gateway.exporters.template.placeholders import template_parts
from gateway.exporters.template.placement import BEHIND_BACKSLASH
from gateway.exporters.template.placement import IN_LIQUID as IN_LIQUID_FAULT
from gateway.exporters.zendesk.settings import ZendeskSettings
from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from gateway.policy.review.changes import Change, Effect
from gateway.policy.review.setting_changes import setting_changes
from tests.support.contracts import contract, proto

KANNELLE: Final = load_contracts([default_contract()])
HELD: Final = contract(
    proto("""
    message Odd { oneof kind { string s = 1; bytes b = 2; } }
    message Inner { string name = 1; Inner inner = 2; }
    message A {
      string name = 1 @OPERATIONAL; bytes raw = 2; Inner inner = 3; repeated Inner inners = 4; google.protobuf.Timestamp time = 5;
      map<int32, string> numbered = 6; map<string, Inner> deep = 7; map<string, Odd> odd = 8; repeated string tags = 9;
      google.protobuf.Any any = 10; map<string, bytes> blobs = 11; map<string, string> words = 12;
    }
    """)
)

HEAD: Final = """\
version: 1
controller: C
user_id: {pattern: "usr_[a-z]{1,8}"}
flows: {t.A: [to]}
destinations:
  to:
    recipient: vendor
    region: US
    purpose: sales
    legal_basis: CONTRACT
    allow: [OPERATIONAL]
    retention: 1d
"""
PLACE: Final = "destinations.to.exporter"
TRACK: Final = "anonymousId, context, event, integrations, properties, timestamp, userId"


def policy(items: str, kind: str = "segment", rest: str = "write_key: {env: KEY}") -> str:
    hosts = {"segment": "api.segment.io", "mixpanel": "api.mixpanel.com", "zendesk": "acme.zendesk.com"}
    exporter = (
        f"    exporter:\n      kind: {kind}\n      endpoint: https://{hosts[kind]}\n      {rest}\n      items:\n     "
        f"   {items}\n"
    )
    return f"{HEAD}{exporter}hosts: {{US: [acme.zendesk.com]}}\n"


def mixpanel(body: str) -> str:
    return policy(f"t.A: {body}", "mixpanel", "project_id: 1\n      username: {env: U}\n      password: {env: P}")


def zendesk(body: str) -> str:
    return policy(f"t.A: {body}", "zendesk", "oauth: {env: KEY}")


def fault(text: str) -> str:
    with pytest.raises(BadPolicy) as caught:
        Compiler(HELD, parse(text)).plans()
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("{a}", (("a",),)),
        ("{a.b_1.C}", (("a", "b_1", "C"),)),
        ("x {a} y {b}", ("x ", ("a",), " y ", ("b",))),
        ("{{a}}", ("{", "a", "}")),
        ("{{{a}}}", ("{", ("a",), "}")),
    ],
)
def test_a_text_has_pieces_and_placeholders(text: str, expected: tuple[object, ...]) -> None:
    assert template_parts(text) == expected


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{a", "a}", "{a b}", "{a.}", "{.a}", "{a..b}", "{a-b}", "{1}", "{a[0]}", "{é}", "{{{a}}"]
)
def test_a_brace_that_is_no_placeholder_does_not_load(text: str) -> None:
    said = fault(policy(f"t.A: {{event: '{text}'}}"))
    assert said == (
        f"policy.yaml:18: {PLACE}.items.t.A.event: a brace must open or close a placeholder such as {{user.user_id}}; "
        "write {{ or }} for one of its own"
    )


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{nothing}", "leads nowhere: t.A has no field nothing"),
        ("{inner.nothing}", "leads nowhere: t.Inner has no field nothing"),
        ("{name.first}", "leads through name, which holds no fields"),
        ("{time.seconds}", "leads through time, which holds no fields"),
        ("{inners.name}", "leads through inners, which holds no fields"),
        *((f"{{{name}}}", "is no text, number, truth value, enum, time or map of these")
          for name in ("raw", "inner", "inners", "deep", "odd", "any", "blobs")),
        ("{numbered}", "is a map whose keys are no text"),
        ("tags {tags}", "is several values, which can't be part of a text"),
    ],
)  # fmt: skip
def test_a_placeholder_leads_to_something_that_can_be_drawn(template: str, expected: str) -> None:
    inner = re.search(r"\{.*\}", template)
    assert inner is not None
    said = fault(policy(f"t.A: {{event: a, properties: {{list: ['{template}']}}}}"))
    assert said == f"policy.yaml:18: {PLACE}.items.t.A.properties.list[0]: {inner[0]} {expected}"


NOT_IN_HTML: Final = (
    *((text, html.NOT_IN_TEXT) for text in (
        "<{name}>", "</{name}>", "<!{name}>", "&{name};", "&#{name};", "&#x{name};", "&l{name};", "<{name}{time}>",
        "<p {name}>", "<p {name}=a>", "<p title={name}>", "<p title=a{name}>", '<p title=a="{name}">',
        "<p title== {name}>", '<p title=x="{name} b">', '<p onclick="{name}">', '<p style="{name}">', '<p id="{name}">',
        '<iframe srcdoc="{name}">', '<form action="https://a.example/{name}">',
        '<img srcset="https://a.example/{name}">', "<script>{name}</script>", "<style>{name}</style>",
        "<!-- {name} -->", "<!DOCTYPE {name}>", "<?{name}?>", "</p {name}>", '<p title="{name}', "<!-- {name}",
        "<script>{name}", "<p", "<!--", "<script>",
    ) if "{name}" in text),
    *((text, html.NOT_IN_TEXT) for text in ("{name}<p", "{name}<!--", "{name}<script>", "<b>{name}</b", '<p title="{name}"')),
    *((text, html.NO_HOST) for text in (
        '<a href="{name}">', '<a href="https://{name}/">', '<a href="//{name}">', '<a href="javascript:{name}">',
        '<a href="https://a.example{name}">', '<img src="/{name}">', '<a href="https://a.example@{name}/">',
    )),
)  # fmt: skip


IN_LIQUID: Final = (
    *(
        "{{{{ticket.{name}}}}}",
        "{{%{name}%}}",
        "{{{{{name}}}}}",
        "{{{{ticket.{name}",
        "{{{{ a }}}} {{{{{name}}}}}",
        "{{{{ {name} }} }}}}",
    ),
    *(
        "{{% if {name} %}}",
        "{{%- {name} -%}}",
        "{{%}}{name}",
        "{{{{ a %}}{name}",
        "{{% a }}}} {name}",
        "{{{name}{{ticket.id}}}}",
    ),
    *("{{{name}% a %}}", "{{{name}{name}{{ticket.id}}}}", "{{{{a{name}}}{name}}}", "%{name}}}", "{{{name}{{{name}"),
)
OUT_OF_LIQUID: Final = (
    "{{{{ticket.id}}}} {name}", ("{name} {{{{ticket.id}}}} "
                                "{name}"), "{{% if a %}}{name}{{% endif %}}", "{{{name}}}", "{{ {name} }}",
    "{{{name}{name}}}", "100 % {name}", "{{{{ a }}}}{name}", "{{}} {name} {{{{a}}}}",
)  # fmt: skip
ELSEWHERE: Final = (
    ("subject", "{{comment: {{body: a}}, subject: {text}}}"),
    ("external_id", "{{comment: {{body: a}}, external_id: {text}}}"),
    ("tags[1]", "{{comment: {{body: a}}, tags: [a, {text}]}}"),
    ("custom_fields[0].value", "{{comment: {{body: a}}, custom_fields: [{{id: 1, value: {text}}}]}}"),
    ("requester.name", "{{comment: {{body: a}}, requester: {{name: {text}}}}}"),
    ("comment.body", "{{comment: {{body: {text}}}}}"),
    ("comment.html_body", "{{comment: {{html_body: {text}}}}}"),
)


@pytest.mark.parametrize("text", IN_LIQUID)
@pytest.mark.parametrize(("place", "template"), ELSEWHERE)
def test_no_value_says_which_placeholder_a_vendor_expands(place: str, template: str, text: str) -> None:
    said = fault(zendesk(template.format(text=json.dumps(text))))
    assert said == f"policy.yaml:18: destinations.to.exporter.items.t.A.{place}: {IN_LIQUID_FAULT}"


@pytest.mark.parametrize("text", OUT_OF_LIQUID)
@pytest.mark.parametrize(("place", "template"), ELSEWHERE)
def test_a_value_may_stand_beside_a_placeholder_of_the_vendors(place: str, template: str, text: str) -> None:
    assert Compiler(HELD, parse(zendesk(template.format(text=json.dumps(text))))).plans(), place


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("body", "&#123;&#123;ticket.{name}", IN_LIQUID_FAULT),
        ("body", r"\{{\{{ticket.{name}", IN_LIQUID_FAULT),
        ("html_body", "&lbrace;&#x7b;ticket.{name}", IN_LIQUID_FAULT),
        ("html_body", '<p title="{{{{ticket.{name}}}}}">', IN_LIQUID_FAULT),
        ("html_body", '<a href="https://a.example/{{{name}">', html.BEHIND_BRACE),
        ("html_body", '<a href="https://a.example/&#123;{name}{name}">', html.BEHIND_BRACE),
        ("body", r"a \{name}", BEHIND_BACKSLASH),
        ("body", r"a \{name}{name}", BEHIND_BACKSLASH),
    ],
)
def test_no_value_stands_where_its_escape_is_undone(field: str, text: str, expected: str) -> None:
    assert fault(zendesk(f"{{comment: {{{field}: {json.dumps(text)}}}}}")).endswith(f".comment.{field}: {expected}")


@pytest.mark.parametrize("text", IN_LIQUID)
def test_where_nothing_is_expanded_braces_are_text(text: str) -> None:
    assert Compiler(HELD, parse(policy(f"t.A: {{event: {json.dumps(text)}}}"))).plans()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (policy("t.A: {event: a, plan: b}"),
         f"18: destinations.to.exporter.items.t.A.plan: is no field of the vendor's; known: {TRACK}"),
        (policy("t.A: {event: a, messageId: '{name}'}"),
         f"18: destinations.to.exporter.items.t.A.messageId: is no field of the vendor's; known: {TRACK}"),
        (policy("t.A: {userId: '{name}'}"), "18: destinations.to.exporter.items.t.A.event: is required"),
        (policy("t.A: {event: ''}"), "18: destinations.to.exporter.items.t.A.event: is required"),
        (mixpanel("{event: ''}"), "20: destinations.to.exporter.items.t.A.event: is required"),
        (zendesk("{comment: {}}"), "18: destinations.to.exporter.items.t.A.comment: is required"),
        (policy("t.A: '{name}'"), ("18: destinations.to.exporter.items.t.A: must be a mapping of the vendor's fields "
                                  "to values")),
        (policy("t.A:"), "18: destinations.to.exporter.items.t.A: must not be empty"),
        (policy("t.A: {event: a, properties: {b: }}"), ("18: destinations.to.exporter.items.t.A.properties.b: must not "
                                                       "be empty")),
        (policy("t-A: {event: a}"),
         "18: destinations.to.exporter.items.t-A: must be a message type's full name, such as acme.crm.v1.Contact"),
        (policy("t.B: {event: a}"), ("17: destinations.to.exporter.items: has no entry for t.A, which a flow leads "
                                    "here")),
        (policy("t.A: {event: a}\n        t.B: {event: a}"),
         "19: destinations.to.exporter.items.t.B: no contract has a message type of this name"),
        (policy("t.A: {event: a, properties: '{name}'}"),
         "18: destinations.to.exporter.items.t.A.properties: must be an object or a map, and would be a text"),
        (policy("t.A: {event: 7}"), ("18: destinations.to.exporter.items.t.A.event: must be a text, and would be a "
                                    "number")),
        (policy("t.A: {event: '{time}'}"), ("18: destinations.to.exporter.items.t.A.event: must be a text, and would "
                                           "be a time")),
        (policy("t.A: {event: a, timestamp: '{name}'}"),
         "18: destinations.to.exporter.items.t.A.timestamp: must be a time, and would be a text"),
        (mixpanel("{event: a, time: true}"),
         "20: destinations.to.exporter.items.t.A.time: must be a time or a number, and would be a flag"),
        (zendesk("{comment: {body: '{tags}'}}"),
         "18: destinations.to.exporter.items.t.A.comment.body: must be a text, and would be a list"),
        (zendesk("{comment: {Body: a}}"),
         ("18: destinations.to.exporter.items.t.A.comment.Body: is no field of the vendor's; known: body, html_body, "
         "public")),
        (zendesk("{comment: {body: a}, requester: {phone: a}}"),
         ("18: destinations.to.exporter.items.t.A.requester.phone: is no field of the vendor's; known: email, "
         "locale_id, name")),
        (zendesk("{subject: a}"), "18: destinations.to.exporter.items.t.A.comment: is required"),
        *((mixpanel(f"{{event: a, properties: {{{key}: 1}}}}"),
           f"20: destinations.to.exporter.items.t.A.properties.{key}: is not for a template to write")
          for key in ("$insert_id", "$os", "distinct_id", "ip", "mp_lib", "time", "token")),
        (policy("t.A: {event: a, context: {ip: 1}}"),
         "18: destinations.to.exporter.items.t.A.context.ip: is not for a template to write"),
        (policy("t.A: {event: a, context: '{words}'}"),
         "18: destinations.to.exporter.items.t.A.context: must be an object, and would be a map"),
        (policy("t.A: {event: a, integrations: '{words}'}"),
         "18: destinations.to.exporter.items.t.A.integrations: must be an object, and would be a map"),
        (policy("t.A: {event: a, context: {traits: '{words}'}}"),
         f"18: destinations.to.exporter.items.t.A.context.traits: {MAP_NOT_ALLOWED}"),
        (zendesk("{comment: {body: a}, custom_fields: [{id: 1, value: '{words}'}]}"),
         f"18: destinations.to.exporter.items.t.A.custom_fields[0].value: {MAP_NOT_ALLOWED}"),
        *((zendesk(f"{{comment: {{html_body: {json.dumps(text)}}}}}"), f"18: destinations.to.exporter.items.t.A.comment.html_body: {said}")
          for text, said in NOT_IN_HTML),
    ],
)  # fmt: skip
def test_a_body_is_one_that_the_vendor_documents(text: str, expected: str) -> None:
    assert fault(text) == f"policy.yaml:{expected}"


NUMBERS: Final = (".nan", ".NaN", ".inf", "-.Inf", "9" * 20, f"-{'9' * 30}", "1e400", "1.5e+308", "01", ".5", "1.")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_constant_is_no_number_that_json_can_not_hold(number: str) -> None:
    said = fault(policy(f"t.A: {{event: a, properties: {{list: [a, {number}]}}}}"))
    assert said == (
        f"policy.yaml:18: {PLACE}.items.t.A.properties.list[1]: must be a number that JSON can hold; to say a text, "
        "write it in quotes"
    )


@pytest.mark.parametrize(
    ("number", "bound"),
    [
        (str(2**63), f"at most {2**63 - 1}"),
        (str(-(2**63) - 1), f"at least {-(2**63)}"),
        ("9" * 19, f"at most {2**63 - 1}"),
    ],
)
def test_a_constant_is_a_number_of_64_bits(number: str, bound: str) -> None:
    said = fault(policy(f"t.A: {{event: a, properties: {{b: {number}}}}}"))
    assert said == f"policy.yaml:18: {PLACE}.items.t.A.properties.b: must be a whole number of {bound}"


@pytest.mark.parametrize(
    ("constant", "expected"),
    [(str(2**63 - 1), 2**63 - 1), ("-1.5e3", -1500.0), ("1.2.3", "1.2.3"), ("2026-01-01", "2026-01-01"),
     *((f"'{number}'", number) for number in NUMBERS)],
)  # fmt: skip
def test_other_constants_are_what_they_say(constant: str, expected: object) -> None:
    file = parse(policy(f"t.A: {{event: a, properties: {{b: {constant}}}}}"))
    assert len(Compiler(HELD, file).plans()) == 1
    exporter = file.policy.destinations["to"].exporter
    assert isinstance(exporter, SegmentSettings)
    assert exporter.items["t.A"]["properties"]["b"] == expected


def test_a_destination_of_a_signal_needs_an_entry_too() -> None:
    text = policy("t.A: {event: a}").replace("{t.A: [to]}", "{otlp/logs: [to]}").replace("region: US", "region: FR")
    text = text.replace("https://api.segment.io", "https://localhost:8080")
    with pytest.raises(
        BadPolicy,
        match=r"items: has no entry for opentelemetry\.proto\.logs\.v1\.ResourceLogs, which a flow leads here$",
    ):
        Compiler(HELD, parse(text)).plans()


def test_the_recommended_exporters_load() -> None:
    file = proposed.proposed_policy()
    assert len(Compiler(KANNELLE, file).plans()) == 21
    assert isinstance(file.policy.destinations["analytics"].exporter, SegmentSettings)
    assert isinstance(file.policy.destinations["support"].exporter, ZendeskSettings)


BODY: Final = "t.A: {event: a, properties: {b: '{name}'}}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (policy(BODY), policy(BODY), []),
        (policy(BODY), policy("t.A: {event: a, properties: {b: '{name}', c: '{name}'}}"),
         [(Effect.RELEASED, "items.t.A", "gains properties.c: name")]),
        (policy(BODY), policy("t.A: {event: a}"), [(Effect.WITHHELD, "items.t.A", "loses properties.b: name")]),
        (policy(BODY), policy("t.A: {event: a, userId: '{name}'}"),
         [(Effect.RELEASED, "items.t.A", "gains userId: name; loses properties.b: name")]),
        (policy(BODY), policy("t.A: {event: z, properties: {b: "
                              "'{name}'}}"), [(Effect.RELEASED, "items.t.A", "gains event; loses event")]),
        (policy(BODY), policy(BODY, rest="write_key: {file: key}"), [(Effect.NOTED, "write_key", "changed")]),
        (policy(BODY), policy(BODY).replace("api.segment.io", "events.kannelle.io").replace("acme.zendesk.com]", "events.kannelle.io]"),
         [(Effect.RELEASED, "", "was: segment to https://api.segment.io; now: segment to https://events.kannelle.io")]),
    ],
)  # fmt: skip
def test_a_change_shows(old: str, new: str, expected: list[tuple[Effect, str, str]]) -> None:
    changes = setting_changes(Compiler(HELD, parse(old)), Compiler(HELD, parse(new)))
    told = [(change.effect, change.field, change.text) for change in changes if change.field.startswith(PLACE)]
    assert told == [(effect, ".".join(filter(None, (PLACE, field))), text) for effect, field, text in expected]


def test_a_change_of_what_is_sent_names_the_type() -> None:
    changes = setting_changes(Compiler(HELD, parse(policy(BODY))), Compiler(HELD, parse(policy("t.A: {event: a}"))))
    assert Change(Effect.WITHHELD, f"{PLACE}.items.t.A", "loses properties.b: name", "to", "t.A") in list(changes)


@pytest.mark.parametrize(
    "text",
    [
        "<p>{name}</p>", "{name}", "plain", "a < b {name}", '<p title="by {name}">', ("<img alt='{name}' "
                                                                                     "src='https://a.example/'>"),
        ('<a href="https://a.example/{name}?of={name}" '
        "title='{name}'>{name}</a>"), "<textarea>{name}</textarea>", "&lt;{name}&gt;",
    ],
)  # fmt: skip
def test_a_value_may_stand_in_the_text_of_html(text: str) -> None:
    assert Compiler(HELD, parse(zendesk(f"{{comment: {{html_body: {json.dumps(text)}}}}}"))).plans()


PLAN: Final = "tracking_plan:\n  a.b:\n    properties:\n      codec: {one_of: [a]}\n"


def planned(name: str, place: str = "'{properties}'", exporter: str = "mixpanel") -> str:
    body = f"{{event: '{{name}}', properties: {place}}}"
    text = (mixpanel(body) if exporter == "mixpanel" else policy(f"t.A: {body}")).replace(
        "t.A", "kannelle.privacy.v1.AnalyticsEvent"
    )
    identifiers = "identifiers: ['ws_[A-Za-z0-9]{1,32}']\n"
    return f"{text}{PLAN}      {name}: {{one_of: [a]}}\n{identifiers}"


@pytest.mark.parametrize("name", ["token", "ip", "distinct_id", "time", "mp_lib", "mp_country_code"])
def test_a_planned_property_is_no_key_of_the_vendors_own(name: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        Compiler(KANNELLE, parse(planned(name))).plans()
    place = f"policy.yaml:26: tracking_plan.a.b.properties.{name}"
    assert str(caught.value) == f"{place}: is a key of mixpanel's own, which no item may write"


@pytest.mark.parametrize(
    ("name", "place", "exporter"),
    [
        ("tokens", "'{properties}'", "mixpanel"),
        ("token", "{{held: '{properties}'}}", "mixpanel"),
        ("token", "{{codec: '{name}'}}", "mixpanel"),
        ("token", "'{properties}'", "segment"),
    ],
)
def test_a_planned_property_may_be_called_as_it_is_elsewhere(name: str, place: str, exporter: str) -> None:
    text = planned(name, place.replace("{{", "{").replace("}}", "}"), exporter)
    assert Compiler(KANNELLE, parse(text)).plans()
