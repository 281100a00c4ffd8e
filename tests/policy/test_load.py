"""The policy's document: what it says, and how the error names what it can't say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from docs.fields import reachable_structs
from gateway.errors import BadPolicy
from gateway.exporters.jsonl.settings import JsonlSettings
from gateway.exporters.mixpanel.settings import MixpanelSettings
from gateway.exporters.null.settings import NullSettings
from gateway.exporters.otlp.settings import OtlpSettings
from gateway.exporters.segment.settings import SegmentSettings
from gateway.exporters.settings import Secret
from gateway.exporters.webhook.settings import WebhookSettings
from gateway.exporters.zendesk.settings import ZendeskSettings
from gateway.model import Category, FieldPrivacy, Recipient
from gateway.policy import personal_domains
from gateway.policy.document import (
    Classification,
    Mode,
    Otlp,
    Policy,
    Route,
)
from gateway.policy.load import PolicyFile, default_path, load, parse, problems
from gateway.policy.tracking_plan import Event, Property, PropertyType
from gateway.policy.vocabulary import LegalBasis
from gateway.yamlfile import Node, build, compose
from gateway.yamlfile.durations import EXPECTED

BASE = """\
version: 1
controller: Check it Out S.A.S.
user_id: {pattern: "usr_[a-z]{1,8}"}
ceilings:
  FR: [USER_ID, WORK_EMAIL, OPERATIONAL, NAME]
  US: [USER_ID, OPERATIONAL]
destinations:
  crm:
    recipient: service
    region: FR
    purpose: sales
    legal_basis: CONTRACT
    allow: [USER_ID, NAME]
    retention: 365d
    exporter: {kind: jsonl}
flows:
  acme.v1.Contact: [crm]
"""
LOGS = """\
  logs: {recipient: store, region: FR, purpose: essential.service.security, legal_basis: CONTRACT, allow: [USER_ID], retention: 1d}
"""
AFTER = BASE.count("\n") + 1
"""The line after the base."""


def fault(text: str) -> str:
    with pytest.raises(BadPolicy) as caught:
        parse(text)
    return str(caught.value)


def changed(old: str, new: str) -> str:
    assert BASE.count(old) == 1
    return BASE.replace(old, new)


def with_exporter(exporter: str) -> str:
    return changed("{kind: jsonl}", exporter)


def with_otlp(rest: str) -> str:
    return with_exporter(f"{{kind: otlp, endpoint: 'http://localhost:1', {rest}}}")


def with_flow(flow: str) -> str:
    return changed("acme.v1.Contact: [crm]", flow)


def with_property(held: str) -> str:
    return f"{BASE}tracking_plan:\n  video.exported:\n    properties:\n      codec: {held}\n"


def test_a_policy_is_read() -> None:
    policy = parse(BASE).policy
    crm = policy.destinations["crm"]
    assert (policy.version, policy.controller, policy.user_id.pattern) == (1, "Check it Out S.A.S.", "usr_[a-z]{1,8}")
    assert policy.ceilings["US"] == {Category.USER_ID, Category.OPERATIONAL}
    assert (crm.recipient, crm.region, crm.purpose, crm.legal_basis) == (
        Recipient.SERVICE,
        "FR",
        "sales",
        LegalBasis.CONTRACT,
    )
    assert crm.allow == {Category.USER_ID, Category.NAME}
    assert crm.retention == timedelta(days=365)
    assert policy.flows == {"acme.v1.Contact": ("crm",)}
    assert policy.timestamps is None


@pytest.mark.parametrize(
    ("exporter", "expected"),
    [
        ("{kind: jsonl}", JsonlSettings()),
        ("{kind: jsonl, path: '-', max_bytes: 1000, backups: 0}", JsonlSettings(path="-", max_bytes=1000, backups=0)),
        ("{kind: null}", NullSettings()),
        (
            (
                "{kind: segment, endpoint: 'http://localhost:1', write_key: {file: key}, items: {a.B: {event: '{b}', "
                "context: {c: [1]}}}}"
            ),
            SegmentSettings(
                endpoint="http://localhost:1",
                write_key=Secret(file="key"),
                items={"a.B": {"event": "{b}", "context": {"c": (1,)}}},
            ),
        ),
        (
            (
                "{kind: mixpanel, endpoint: 'http://localhost:1', project_id: 7, username: {env: A}, password: {env: B}, "
                "items: {}}"
            ),
            MixpanelSettings(
                endpoint="http://localhost:1",
                project_id=7,
                username=Secret(env="A"),
                password=Secret(env="B"),
                items={},
            ),
        ),
        (
            "{kind: zendesk, endpoint: 'http://localhost:1', email: {env: A}, token: {env: B}, items: {}, timeout: 3s}",
            ZendeskSettings(
                endpoint="http://localhost:1", email=Secret(env="A"), token=Secret(env="B"), items={}, timeout=3.0
            ),
        ),
        (
            "{kind: webhook, endpoint: 'http://localhost:1/in', secret: {env: A}, ca: ca.pem}",
            WebhookSettings(endpoint="http://localhost:1/in", secret=Secret(env="A"), ca="ca.pem"),
        ),
        (
            "{kind: otlp, endpoint: 'http://localhost:4317', compression: none, timeout: 2.5s, ca: ca.pem}",
            OtlpSettings(endpoint="http://localhost:4317", compression="none", timeout=2.5, ca="ca.pem"),
        ),
    ],
)
def test_an_exporter_is_read_by_its_kind(exporter: str, expected: object) -> None:
    logs = with_exporter(exporter).replace("acme.v1.Contact:", "otlp/logs:").replace("[USER_ID, NAME]", "[USER_ID]")
    assert parse(logs).policy.destinations["crm"].exporter == expected


def test_only_signals_go_to_an_otlp_exporter() -> None:
    text = fault(with_exporter("{kind: otlp, endpoint: 'http://localhost:4317'}"))
    assert text == "policy.yaml:17: flows.acme.v1.Contact[0]: has an otlp exporter, which takes OTLP signals only"


def test_a_destination_without_an_exporter_has_a_file() -> None:
    assert parse(changed("    exporter: {kind: jsonl}\n", "")).policy.destinations["crm"].exporter == JsonlSettings()


@pytest.mark.parametrize(
    ("held", "expected", "kind"),
    [
        ("{one_of: [h264, '265']}", Property(one_of=("h264", "265")), PropertyType.STRING),
        ("{pattern: 'v[0-9]{1,3}'}", Property(pattern="v[0-9]{1,3}"), PropertyType.STRING),
        ("{min: 0, max: 5}", Property(min=0, max=5), PropertyType.INTEGER),
        ("{type: number, min: -1, max: 0}", Property(type=PropertyType.NUMBER, min=-1, max=0), PropertyType.NUMBER),
        ("{type: boolean}", Property(type=PropertyType.BOOLEAN), PropertyType.BOOLEAN),
        ("{category: USER_ID}", Property(category=Category.USER_ID), PropertyType.STRING),
    ],
)
def test_a_property_says_its_type_or_lets_it_be_told(held: str, expected: Property, kind: PropertyType) -> None:
    found = parse(with_property(held)).policy.tracking_plan
    assert found == {"video.exported": Event(properties={"codec": expected})}
    assert expected.kind is kind


def test_the_rest_of_the_outline_is_read() -> None:
    policy = parse(
        f"""{BASE.replace("flows:", f"{LOGS}flows:")}  otlp/logs: [logs]
  acme.v1.Contacts/*: [crm]
  acme.v1.Contacts/Get: [crm]
approvals: approvals.lock
timestamps: {{days_around_receipt: 7}}
classifications:
  acme.v1.Contact.email: {{category: WORK_EMAIL, subject: true, overrides: true}}
  acme.v1.Contact.tags: {{category: OPERATIONAL, map_key: OPERATIONAL, pattern: "[a-z]{{1,8}}", max_length: 8, one_of: [a, b]}}
  acme.v1.Contact.age: {{category: AGE, min: 1, max: 9}}
routes:
  - {{authority: "crm.svc:50051", upstream: "dns:///crm:50051", destination: crm, methods: [acme.v1.Contacts/Get], mode: shadow}}
  - {{authority: crm.svc, upstream: "unix:/run/crm.sock", destination: crm}}
hosts: {{US: [api.segment.io], FR: [logs.kannelle.io]}}
otlp:
  attributes:
    user.id: USER_ID
    service.*: OPERATIONAL
    http.response.status_code: {{category: OPERATIONAL, min: 100, max: 599}}
  log_templates: [server started]
"""
    ).policy
    assert policy.approvals == "approvals.lock"
    assert policy.timestamps is not None
    assert policy.timestamps.days_around_receipt == 7
    assert policy.classifications["acme.v1.Contact.email"] == Classification(
        category=Category.WORK_EMAIL, subject=True, overrides=True
    )
    assert policy.routes[0] == Route(
        authority="crm.svc:50051",
        upstream="dns:///crm:50051",
        destination="crm",
        methods=("acme.v1.Contacts/Get",),
        mode=Mode.SHADOW,
    )
    assert policy.routes[1].mode is Mode.ENFORCE
    assert policy.hosts == {"US": {"api.segment.io"}, "FR": {"logs.kannelle.io"}}
    assert policy.otlp.privacy("user.id") == FieldPrivacy(Category.USER_ID)
    assert policy.otlp.privacy("http.response.status_code") == FieldPrivacy(Category.OPERATIONAL, min=100, max=599)
    assert policy.otlp.log_templates == ("server started",)


def test_a_classification_is_a_whole_field_privacy() -> None:
    text = (
        "{category: NAME, map_key: PHONE, subject: true, pattern: a, max_length: 1, one_of: [a], min: 2, max: 3, "
        "overrides: true}"
    )
    held, _ = build(compose(text, "here", BadPolicy), Classification, BadPolicy)
    assert held.privacy == FieldPrivacy(Category.NAME, Category.PHONE, True, "a", 1, ("a",), 2, 3)
    assert type(held.privacy) is FieldPrivacy


CATEGORIES = ", ".join(Category.__members__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (changed("version: 1", "version: 2"), "1: version: must be 1"),
        (changed("controller: Check it Out S.A.S.\n", ""), "1: controller: is required"),
        (changed('"usr_[a-z]{1,8}"', "12"), "3: user_id.pattern: must be text; write it in quotes"),
        (changed("  FR: [U", "  France: [U"), ("5: ceilings.France: must be a country of ISO 3166-1, two capitals such "
                                              "as FR")),
        (changed("  crm:", "  CRM:"), ("8: destinations.CRM: must be a name of lower-case letters, digits and hyphens, "
                                      "a letter first")),
        (changed("recipient: service", "recipient: services"),
         "9: destinations.crm.recipient: must be one of log, vendor, service, store; did you mean service?"),
        (changed("region: FR", "region: fr"), ("10: destinations.crm.region: must be a country of ISO 3166-1, two "
                                              "capitals such as FR")),
        (changed("region: FR", "region: no"), ("10: destinations.crm.region: must be a country of ISO 3166-1, two "
                                              "capitals such as FR")),
        (changed("sales", "sale"),
         ("11: destinations.crm.purpose: must be one of the 42 names in docs/policy.md#purposes; "
          "the nearest are sales, personalize, essential")),
        (changed("CONTRACT", "contract"),
         ("12: destinations.crm.legal_basis: must be one of CONSENT, CONTRACT, LEGAL_OBLIGATION, VITAL_INTERESTS, "
          "PUBLIC_TASK, "
         "LEGITIMATE_INTERESTS; did you mean CONTRACT?")),
        (changed("[USER_ID, NAME]", "[USER_ID,\n      NAMES]"),
         f"14: destinations.crm.allow[1]: must be one of {CATEGORIES}; did you mean NAME?"),
        (changed("[USER_ID, NAME]", "[WORK-EMAIL]"),
         f"13: destinations.crm.allow[0]: must be one of {CATEGORIES}; did you mean WORK_EMAIL?"),
        (changed("[USER_ID, NAME]", "[NAME, NAME]"), "13: destinations.crm.allow[1]: is in the list twice"),
        (changed("365d", "0d"), "14: destinations.crm.retention: must be positive"),
        (changed("365d", "365"), "14: destinations.crm.retention: must be 365d: a number needs its unit"),
        (changed("365d", "12m"), "14: destinations.crm.retention: must be 12min or 12mo: m alone is neither"),
        (changed("365d", "a year"), f"14: destinations.crm.retention: must be {EXPECTED}"),
        (changed("    retention: 365d\n", ""), "8: destinations.crm.retention: is required"),
        (changed("retention:", "retentions:"),
         ("14: destinations.crm.retentions: is not a key here; known: recipient, region, purpose, legal_basis, allow, "
          "gates, retention, exporter, delivery, "
         "metadata; did you mean retention?")),
        (with_exporter("{kind: kafka, write_key: hunter2}"),
         "15: destinations.crm.exporter.kind: must be one of jsonl, otlp, segment, mixpanel, zendesk, webhook, null"),
        (with_exporter("{path: a}"), "15: destinations.crm.exporter.kind: is required"),
        (with_exporter("{kind: otlp}"), "15: destinations.crm.exporter.endpoint: is required"),
        (with_otlp("headers: {a: b}"),
         "15: destinations.crm.exporter.headers: is not a key here; known: kind, endpoint, compression, timeout, ca"),
        (with_otlp("compression: zstd"),
         "15: destinations.crm.exporter.compression: must be one of gzip, none"),
        (with_otlp("timeout: 0"), "15: destinations.crm.exporter.timeout: must be 0.001s or more"),
        (with_exporter("{kind: jsonl, max_bytes: 0}"), "15: destinations.crm.exporter.max_bytes: must be positive"),
        (f"{BASE}timestamps: {{days_around_receipt: 366}}", (f"{AFTER}: timestamps.days_around_receipt: must be 365 or "
                                                            "less")),
        (f"{BASE}timestamps: {{}}", f"{AFTER}: timestamps.days_around_receipt: is required"),
        (f"{BASE}flow: {{}}",
         f"{AFTER}: flow: is not a key here; known: {', '.join(Policy.__struct_fields__)}; did you mean flows?"),
        (f"{BASE}classifications: {{Contact: {{category: NAME}}}}",
         f"{AFTER}: classifications.Contact: must be a field's full name, such as acme.crm.v1.Contact.email"),
        (f"{BASE}hosts: {{FR: ['https://a.b']}}", (f"{AFTER}: hosts.FR[0]: must be a host name in lower case, without "
                                                  "a port")),
        (f"{BASE}tracking_plan: {{Video exported: {{}}}}",
         f"{AFTER}: tracking_plan.Video exported: must be a name such as video.exported, in lower case"),
        (f"{BASE}routes: [{{authority: a, upstream: b, destination: crm, mode: observe}}]",
         f"{AFTER}: routes[0].mode: must be one of enforce, shadow"),
    ],
)  # fmt: skip
def test_what_has_not_the_shape_is_named(text: str, expected: str) -> None:
    assert fault(text) == f"policy.yaml:{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (with_flow("acme.v1.Contact: [crn]"), "17: flows.acme.v1.Contact[0]: is no destination; must be crm"),
        (with_flow("acme.v1.Contact: [crm, crm]"), "17: flows.acme.v1.Contact[1]: is in the list twice"),
        (with_flow("acme.v1.Contact: []"), "17: flows.acme.v1.Contact: must name a destination"),
        (with_flow("otlp/log: [crm]"), ("17: flows.otlp/log: must be one of otlp/logs, otlp/traces, otlp/metrics; did "
                                       "you mean otlp/logs?")),
        (with_flow("otlp/*: [crm]"), ("17: flows.otlp/*: must be one of otlp/logs, otlp/traces, otlp/metrics; did you "
                                     "mean otlp/logs?")),
        *((with_flow(f"{flow}: [crm]"),
           f"17: flows.{flow}: must be pkg.Service/Method, pkg.Service/*, a message's full name or an OTLP signal")
          for flow in ("/acme.v1.Contacts/Get", "acme.v1.Contacts/", "acme..Contact", "acme.v1.*", "a b", "acme.v1.Contacts/Get/More")),
    ],
)  # fmt: skip
def test_a_flow_names_what_there_is(text: str, expected: str) -> None:
    assert fault(text) == f"policy.yaml:{expected}"


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("{}", "type: is required where none of pattern, max_length, one_of, min, max tells it"),
        ("{min: 1}", "min: needs the other bound beside it: min and max come together"),
        ("{max: 1}", "max: needs the other bound beside it: min and max come together"),
        ("{min: 2, max: 1}", "min: must be max or less; max left out is 0"),
        ("{min: 0, max: 0}", "max: must be more than min; 0 and 0 mean no bounds"),
        ("{type: integer, one_of: [a]}", "one_of: is not for a property of type integer"),
        ("{type: number, pattern: a}", "pattern: is not for a property of type number"),
        ("{type: boolean, max_length: 4}", "max_length: is not for a property of type boolean"),
        ("{type: boolean, min: 0, max: 1}", ("min: is not for a property of type boolean\n"
         "policy.yaml:21: tracking_plan.video.exported.properties.codec.max: is not for a property of type boolean")),
        ("{type: string, category: AGE}", "category: no destination may ever receive it"),
        ("{type: string, category: UNSPECIFIED}", "category: what is not classified goes nowhere"),
        ("{type: integer, category: USER_ID}", "type: must be string, for USER_ID is one"),
        ("{one_of: [a, b, a]}", "one_of[2]: is in the list twice"),
        ("{one_of: ['']}", "one_of[0]: must be of 1 or more characters"),
        ("{max_length: -1}", "max_length: must be 0 or more"),
        ("{type: text}", "type: must be one of string, integer, number, boolean"),
        ("{enum: [a]}", ("enum: is not a key here; known: type, category, pattern, shape, max_length, one_of, min, "
                        "max, without")),
    ],
)  # fmt: skip
def test_a_property_holds_together(held: str, expected: str) -> None:
    assert fault(with_property(held)) == f"policy.yaml:21: tracking_plan.video.exported.properties.codec.{expected}"


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("{one_of: ['']}", "one_of[0]: must not be empty"),
        ("{one_of: [a, a]}", "one_of[1]: is in the list twice"),
        ("{min: 1}", "min: must be max or less; max left out is 0"),
        ("{max_length: -1}", "max_length: must be within 0 and 4294967295"),
        ("{max_length: 4294967296}", "max_length: must be within 0 and 4294967295"),
    ],
)
@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("classifications: {{acme.v1.Contact.name: {}}}", "classifications.acme.v1.Contact.name"),
        ("otlp: {{attributes: {{acme.name: {}}}}}", "otlp.attributes.acme.name"),
    ],
)
def test_a_classification_holds_together(section: str, keys: str, held: str, expected: str) -> None:
    assert fault(BASE + section.format(held)) == f"policy.yaml:{AFTER}: {keys}.{expected}"


@pytest.mark.parametrize("pattern", ["(", ".*", "a+", "(?=a)"])
@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("classifications: {{acme.v1.Contact.name: {{pattern: {}}}}}", "classifications.acme.v1.Contact.name.pattern"),
        (
            "tracking_plan: {{a: {{properties: {{b: {{type: string, pattern: {}}}}}}}}}",
            "tracking_plan.a.properties.b.pattern",
        ),
        ("otlp: {{attributes: {{acme.name: {{pattern: {}}}}}}}", "otlp.attributes.acme.name.pattern"),
    ],
)
def test_a_pattern_must_be_bounded(section: str, keys: str, pattern: str) -> None:
    assert fault(BASE + section.format(f"'{pattern}'")).startswith(f"policy.yaml:{AFTER}: {keys}: not ")


@pytest.mark.parametrize(
    "pattern",
    ["", "(", ".*", "usr_.+", "[a-z]{1,30}", "usr_.{1,9}", "usr_[a-z]{1,9}|[a-z ]{1,99}", "(usr_)?[a-z]{1,30}"],
)
def test_the_user_id_pattern_must_be_there_and_bounded(pattern: str) -> None:
    assert fault(changed("usr_[a-z]{1,8}", pattern)).startswith("policy.yaml:3: user_id.pattern: ")


@pytest.mark.parametrize(
    ("domains", "line", "expected"),
    [
        ("add: [family]", 1, "add[0]: must be a domain such as example.com"),
        ("add: [family.example, 'a b.example']", 1, "add[1]: must be a domain such as example.com"),
        ("add: ['*.example.com']", 1, "add[0]: must be a domain such as example.com"),
        ("add: [ada@family.example]", 1, "add[0]: must be a domain such as example.com"),
        ("add: [203.0.113.7]", 1, "add[0]: must be a domain such as example.com"),
        ("add: ['family.example.']", 1, "add[0]: must be a domain such as example.com"),
        ("add: [fa_mily.example]", 1, "add[0]: must be a domain such as example.com"),
        ("add: [family.example, Family.Example]", 1, "add[1]: is in the list twice"),
        ("add: [b\u00fccher.example, xn--bcher-kva.example]", 1, "add[1]: is in the list twice"),
        ("add: [family.example]\n  remove: [eclipso.de, FAMILY.example]", 2, "remove[1]: is both added and removed"),
        ("remove: [eclipso.de, gmail.com]", 1, "remove[1]: is personal under every policy: it can't be removed"),
        (
            "remove: [gmáil.com]",
            1,
            "remove[0]: looks like a domain that is personal under every policy: it can't be removed",
        ),
        ("remove: [Orange.fr]", 1, "remove[0]: is personal under every policy: it can't be removed"),
        ("remove: [mail.yahoo.co.uk]", 1, "remove[0]: is personal under every policy: it can't be removed"),
        ("remove: [users.noreply.github.com]", 1, "remove[0]: is personal under every policy: it can't be removed"),
        ("keep: [a.example]", 1, "keep: is not a key here; known: add, remove"),
    ],
)
def test_what_cant_be_among_the_mail_domains_is_named(domains: str, line: int, expected: str) -> None:
    assert (
        fault(f"{BASE}personal_domains:\n  {domains}\n") == f"policy.yaml:{AFTER + line}: personal_domains.{expected}"
    )


def test_mail_domains_are_compared_in_one_form() -> None:
    given = parse(
        f"{BASE}personal_domains: {{add: [B\u00fccher.example, a.Example], remove: [eclipso.de]}}"
    ).policy.personal_domains
    assert personal_domains.added_and_removed(given) == (("a.example", "xn--bcher-kva.example"), ("eclipso.de",))


def test_a_route_leads_to_a_destination() -> None:
    text = fault(f"{BASE}routes:\n  - {{authority: a, upstream: 'unix:/a', destination: log}}\n")
    assert text == f"policy.yaml:{AFTER + 1}: routes[0].destination: is no destination; must be crm"


@pytest.mark.parametrize("key", ["*", "service.*.name", "service*", "user id", ".*", "a..*"])
def test_a_wildcard_stands_at_the_end_only(key: str) -> None:
    expected = (
        f"policy.yaml:{AFTER + 2}: otlp.attributes.{key}: must be an attribute's key, or the start of some with .* "
        "at its end"
    )
    assert fault(f"{BASE}otlp:\n  attributes:\n    '{key}': OPERATIONAL\n") == expected


EXACT_KEY = "must be an exact key of `attributes`, beside it; must be one of ws.id, seats, user.id"


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("ws.id", ""),
        ("ws.ids", f"{EXACT_KEY}; did you mean ws.id?"),
        ("service.*", EXACT_KEY),
        ("service.name", EXACT_KEY),
        ("user.id", "is USER_ID: what names a workspace is OPERATIONAL, and says nothing of a person"),
        ("seats", "is a number by its min and max: a string names a workspace"),
    ],
)
def test_the_workspace_is_a_listed_attribute(key: str, wrong: str) -> None:
    listed = (
        "{ws.id: OPERATIONAL, seats: {category: OPERATIONAL, min: 0, max: 9}, user.id: USER_ID, service.*: OPERATIONAL}"
    )
    text = f"{BASE}otlp:\n  workspace: '{key}'\n  attributes: {listed}\n"
    if not wrong:
        assert parse(text).policy.otlp.workspace == key
        return
    assert fault(text) == f"policy.yaml:{AFTER + 1}: otlp.workspace: {wrong}"


def test_an_attribute_does_not_say_itself_that_it_names_the_workspace() -> None:
    assert fault(f"{BASE}otlp:\n  attributes:\n    a: {{category: OPERATIONAL, workspace: true}}\n") == (
        f"policy.yaml:{AFTER + 2}: otlp.attributes.a.workspace: is for fields of messages: an attribute is named by "
        "`otlp: {workspace: …}`"
    )


def test_a_log_template_is_listed_once() -> None:
    assert (
        fault(f"{BASE}otlp: {{log_templates: [a, a]}}")
        == f"policy.yaml:{AFTER}: otlp.log_templates[1]: is in the list twice"
    )


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert fault(with_flow("'a b': [log]")).splitlines() == [
        "policy.yaml:17: flows.a b: must be pkg.Service/Method, pkg.Service/*, a message's full name or an OTLP signal",
        "policy.yaml:17: flows.a b[0]: is no destination; must be crm",
    ]


def test_a_policy_comes_with_its_file_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(BASE)
    file = load(path)
    assert isinstance(file, PolicyFile)
    assert file.path == path
    assert file.origin.at("destinations", "crm", "region") == f"{path}:10: destinations.crm.region"


def test_no_policy_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match=r"policy\.yaml: can't be read: No such file or directory$"):
        load(tmp_path / "policy.yaml")


def test_otlp_attributes_that_are_not_listed_hold_nothing() -> None:
    with pytest.raises(KeyError):
        Otlp().privacy("user.id")


def leaves(node: Node, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The keys of every scalar."""
    if isinstance(node.value, dict):
        for key, entry in node.value.items():
            yield from leaves(entry, (*keys, key))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from leaves(item, (*keys, index))
    else:
        yield keys


def planted(node: Node, keys: tuple[str | int, ...], value: str) -> Node:
    """`node` with `value` at `keys`."""
    if not keys:
        return Node(node.place, value, value)
    if isinstance(node.value, dict):
        return Node(
            node.place,
            {key: planted(entry, keys[1:], value) if key == keys[0] else entry for key, entry in node.value.items()},
        )
    assert isinstance(node.value, list)
    return Node(
        node.place, [planted(item, keys[1:], value) if at == keys[0] else item for at, item in enumerate(node.value)]
    )


def of_each_shape(places: Iterator[tuple[str | int, ...]]) -> list[tuple[str | int, ...]]:
    """One place of each shape.

    What a document names itself (destinations, attributes, items of lists) makes no other shape.
    """
    known = {info.encode_name for struct in reachable_structs(Policy) for info in msgspec.structs.fields(struct)}
    return [*{tuple(key if key in known else "*" for key in keys): keys for keys in places}.values()]


def test_no_error_repeats_a_value() -> None:
    root = compose(default_path().read_text(encoding="utf-8"), "policy.yaml", BadPolicy)
    said = 0
    for keys in of_each_shape(leaves(root)):
        for value in ("hunter2", "hunter2\n.*", "(hunter2"):
            try:
                policy, origin = build(planted(root, keys, value), Policy, BadPolicy)
                texts = [str(origin.error_at(at, text)) for at, text in problems(policy)]
            except BadPolicy as error:
                texts = [str(error)]
            said += len(texts)
            assert not any("hunter2" in text for text in texts), keys
    assert said > 50


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("level: [lvl]", "level: is not a key here; known: timestamp, severity_text, body, trace_id, span_id"),
        ("body: lvl", "body: must be a list, such as [a, b]"),
        ("body: [7]", "body[0]: must be text; write it in quotes"),
        ("body: ['']", "body[0]: must be of 1 or more characters"),
        ("body: [a, a b]", "body[1]: must be a key, or up to 8 within each other with dots between, without spaces"),
        (
            "timestamp: [a..b]",
            "timestamp[0]: must be a key, or up to 8 within each other with dots between, without spaces",
        ),
        (
            "span_id: [a.b.c.d.e.f.g.h.i]",
            "span_id[0]: must be a key, or up to 8 within each other with dots between, without spaces",
        ),
        ("trace_id: [a, b, a]", "trace_id[2]: is in the list twice"),
        ("body: [a], severity_text: [b, a]", "body[0]: is a key of severity_text too; a key says one thing"),
        ("body: [ada@acme.example]", "body[0]: looks like email: a name holds nothing personal"),
    ],
)
def test_a_map_of_a_lines_keys_says_one_thing_of_each(keys: str, expected: str) -> None:
    assert fault(f"{BASE}pipe: {{keys: {{{keys}}}}}") == f"policy.yaml:{AFTER}: pipe.keys.{expected}"
