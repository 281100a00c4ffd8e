"""What lint finds, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.errors import BadPolicy
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.policy.load import parse
from gateway.policy.review.findings import Finding, Severity
from gateway.policy.review.lint import CHECKS, lint
from tests.support.contracts import POLICY, compiler, contract, policy, proto
from tests.support.gated_projects import BACKUP as GATED

ERROR, WARNING, NOTE = Severity
FLOW: Final = "{t.A: [eu-log]}"
OUT: Final = "{t.A: [us-vendor]}"


ALL: Final = frozenset(parse(f"{POLICY}flows: {{}}").policy.destinations)
USER: Final = "message A { string id = 1 @USER_ID; }"
ROUTE: Final = "authority: a, upstream: 'unix:/a', destination: eu-service"
TO_LOG: Final = (
    "routes: [{authority: a, upstream: 'unix:/a', destination: eu-indirect, callers: {c: {region: FR, allow: "
    "[OPERATIONAL]}}}]"
)
ONE: Final = '{category: OPERATIONAL, one_of: "a"}'
WORKSPACE: Final = "{category: OPERATIONAL, workspace: true}"
A: Final = f"message A {{ string name = 1 @NAME; string b = 2 @{ONE}; }}"
R_OUT: Final = "{t.R: [us-vendor]}"
M: Final = "google.protobuf.FieldMask"
UPDATE: Final = f"{A} message R {{ A a = 1; {M} update_mask = 2; }} service S {{ rpc UpdateA(R) returns (A); }}"


def found(body: str, more: str = "", flows: str = "{}") -> set[tuple[Severity, str, str]]:
    return {(finding.severity, finding.code, finding.place) for finding in fed(lint(compiler(body, more, flows)))}


def fed(findings: Iterable[Finding]) -> list[Finding]:
    """Findings without those of destinations that nothing feeds: of `POLICY`, each test feeds those that it needs."""
    return [finding for finding in findings if finding.code != "unfed"]


def one(body: str, more: str = "", flows: str = "{}") -> Finding:
    (finding,) = fed(lint(compiler(body, more, flows)))
    return finding


@pytest.mark.parametrize(
    ("flows", "more", "expected"),
    [
        ("{}", "", ALL),
        ("{t.A: [eu-log]}", "", ALL - {"eu-log"}),
        ("{t.A: [eu-log, us-vendor], otlp/logs: [eu-log]}", "", ALL - {"eu-log", "us-vendor"}),
        ("{}", f"routes: [{{{ROUTE}}}]", ALL - {"eu-service"}),
        # Another contract's type feeds it there; a typo is an error of its own.
        ("{o.Other: [eu-log]}", "elsewhere: [o.Other]", ALL - {"eu-log"}),
        ("{o.Other: [eu-log]}", "", ALL - {"eu-log"}),
    ],
)
def test_a_destination_that_nothing_feeds_is_an_error(flows: str, more: str, expected: set[str]) -> None:
    found = [finding for finding in lint(compiler(USER, more, flows)) if finding.code == "unfed"]
    assert {finding.place for finding in found} == {f"destinations.{name}" for name in expected}
    assert {finding.severity for finding in found} == {ERROR}


def test_kannelles_own_contracts_and_policy_need_no_mending() -> None:
    assert lint(Compiler(load_contracts([default_contract()]), load_policy(default_policy()))) == ()


@pytest.mark.parametrize(
    ("pattern", "to", "severity"),
    [
        ("[A-Za-z -]{1,64}", "us-vendor", ERROR),
        ("x_[A-Za-z]{1,30}", "us-vendor", ERROR),
        ("[A-Za-z -]{1,64}", "eu-log", NOTE),
        ("[A-Za-z-]{1,64}", "eu-log", None),
        ("x_[A-Za-z]{1,30}", "eu-log", None),
        ("h264|hevc", "us-vendor", None),
        ("h264|hevc", "eu-log", None),
        ("[A-Za-z -]{1,64}", "eu-service", None),
        ("ws_[A-Za-z0-9]{1,32}", "us-vendor", None),
    ],
)
def test_an_open_pattern_is_an_error_outside_the_eu_and_a_note_in_a_log(
    pattern: str, to: str, severity: Severity | None
) -> None:
    body = f'message A {{ string a = 1 @{{category: OPERATIONAL, pattern: "{pattern}"}}; }}'
    findings = [one for one in lint(compiler(body, flows=f"{{t.A: [{to}]}}")) if one.code == "open-pattern"]
    assert [one.severity for one in findings] == ([] if severity is None else [severity])
    assert {one.place for one in findings} <= {"t.A.a"}


@pytest.mark.parametrize(
    ("body", "more", "flows", "expected"),
    [
        ("message A { string id = 1 @USER_ID; }", "", FLOW, set()),
        # Nobody said what it holds.
        ("message A { string id = 1 @USER_ID; string bare = 2; }", "", FLOW, {(WARNING, "unclassified", "t.A.bare")}),
        ("message A { string bare = 1; }", "", "{}", {(WARNING, "unclassified", "t.A.bare")}),
        ("message A { map<string, string> m = 1; }", "", "{}", {(WARNING, "unclassified", "t.A.m")}),
        ("message A { map<string, string> m = 1 @NAME; }", "", "{}", {(WARNING, "unclassified", "t.A.m")}),
        ("message A { map<string, A> m = 1; string id = 2 @USER_ID; }", "", "{}", {(WARNING, "unclassified", "t.A.m")}),
        ("message A { map<string, A> m = 1 @{map_key: OPERATIONAL}; string id = 2 @USER_ID; }", "", "{}", set()),
        ("message A { google.protobuf.Timestamp at = 1; }", "", "{}", {(WARNING, "unclassified", "t.A.at")}),
        ("message A { A child = 1; google.protobuf.Any any = 2; string id = 3 @USER_ID; }", "", "{}", set()),
        ("message A { string id = 1; }", "classifications: {t.A.id: {category: USER_ID}}", FLOW, set()),
        # Nobody takes it.
        ("message A { string id = 1 @USER_ID; string a = 2 @COOKIE; }", "", FLOW, {(NOTE, "not-accepted", "t.A.a")}),
        ("message A { string id = 1 @USER_ID; string a = 2 @AGE; }", "", FLOW, set()),
        # A required field would go.
        (
            "message A { string id = 1 [features.field_presence = LEGACY_REQUIRED]; string b = 2 @USER_ID; }",
            "",
            FLOW,
            {(ERROR, "required-stripped", "t.A.id"), (WARNING, "unclassified", "t.A.id")},
        ),
        # Two could be the subject.
        (
            "message A { string a = 1 @USER_ID; string b = 2 @USER_ID; }",
            "",
            FLOW,
            {(ERROR, "ambiguous-subject", "t.A")},
        ),
        ("message A { string id = 1 @USER_ID; }", ("otlp: {attributes: {service.*: "
                                                  "OPERATIONAL}}"), "{otlp/logs: [eu-log]}", set()),
        # Labels and rules that can't be.
        ("message A { bytes id = 1 @USER_ID; }", "", "{}", {(ERROR, "label-unfit", "t.A.id")}),
        ("message A { double id = 1 @USER_ID; }", "", "{}", {(ERROR, "label-unfit", "t.A.id")}),
        ("message A { int64 mail = 1 @WORK_EMAIL; }", "", "{}", {(ERROR, "label-unfit", "t.A.mail")}),
        ("message A { google.protobuf.Struct s = 1 @OPERATIONAL; }", "", "{}", {(ERROR, "label-unfit", "t.A.s")}),
        ("message A { google.protobuf.StringValue s = 1 @USER_ID; }", "", "{}", set()),
        ("message A { map<bool, string> m = 1 @{category: NAME, map_key: USER_ID}; }", "", "{}", {(ERROR, "label-unfit", "t.A.m")}),
        ("message A { int32 n = 1 @{category: OPERATIONAL, min: 1, max: 2, pattern: 'a'}; }", "", "{}", {(WARNING, "rule-idle", "t.A.n")}),
        ("message A { string n = 1 @{category: OPERATIONAL, min: 1, max: 2}; }", "", "{}", {(WARNING, "rule-idle", "t.A.n")}),
        ("message A { double n = 1 @{category: OPERATIONAL, min: 1, max: 2}; }", "", "{}", set()),
        # Kept out of debug output, and said to be of nobody.
        (("message A { string x = 1 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_OPERATIONAL, debug_redact = "
         "true]; }"), "", "{}",
         {(WARNING, "redacted", "t.A.x")}),
        ("message A { string x = 1 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_NAME, debug_redact = true]; }", "", "{}", set()),
        ("message A { string x = 1 [debug_redact = true]; }", "classifications: {t.A.x: {category: OPERATIONAL}}", "{}",
         {(WARNING, "redacted", "t.A.x")}),
        # Not closed outside the EU.
        ("message A { string id = 1 @USER_ID; string b = 2 @OPERATIONAL; }", "", OUT, {(WARNING, "not-closed", "t.A.b")}),
        ("message A { string id = 1 @USER_ID; string b = 2 @OPERATIONAL; }", "", FLOW, set()),
        ("message A { string id = 1 @USER_ID; string b = 2 @{category: OPERATIONAL, one_of: 'a'}; }", "", OUT, set()),
        (
            "message A { string id = 1 @USER_ID; }",
            "tracking_plan: {a.b: {properties: {open: {type: string}, n: {min: 0, max: 2}}}}",
            "{kannelle.privacy.v1.AnalyticsService/*: [us-vendor]}",
            {(WARNING, "not-closed", "tracking_plan.a.b.properties.open")},
        ),
        # Nothing of it arrives.
        ("message A { string name = 1 @NAME; }", "", OUT, {(WARNING, "empty-flow", "flows.t.A")}),
        # Any whole number.
        ("message A { string id = 1 @USER_ID; int32 n = 2 @OPERATIONAL; }", "", FLOW, {(NOTE, "unbounded", "t.A.n")}),
        # Routes.
        (USER, f"routes: [{{{ROUTE}, callers: {{c: {{region: FR, allow: []}}}}}}]", "{}", set()),
        (USER, f"routes: [{{{ROUTE}}}]", "{}", {(WARNING, "no-caller", "routes[0]")}),
        (
            USER,
            f"routes: [{{{ROUTE}, mode: shadow, callers: {{c: {{region: FR, allow: []}}}}}}]",
            "{}",
            {(NOTE, "shadow-route", "routes[0].mode")},
        ),
        # Masks.
        (f"{A} message R {{ A a = 1; {M} update_mask = 2 @OPERATIONAL; }}", "", R_OUT, set()),
        (f"{A} message R {{ A a = 1; R r = 2; {M} m = 3; }}", "", R_OUT, {(WARNING, "mask-unclear", "t.R.m")}),
        (f"{A} message R {{ string b = 1 @{ONE}; {M} m = 2; }}", "", R_OUT, {(WARNING, "mask-unclear", "t.R.m")}),
        (
            f"message A {{ string name = 1 @NAME; }} message R {{ A a = 1; string b = 2 @{ONE}; {M} m = 3; }}",
            "",
            R_OUT,
            {(WARNING, "mask-empty", "t.R.m")},
        ),
        (UPDATE, TO_LOG, "{}", {(NOTE, "update-partial", "t.R.update_mask")}),
        (UPDATE.replace("@NAME", f"@{ONE}"), TO_LOG, "{}", set()),
        (f"{A} message R {{ {M} read_mask = 1; }} service S {{ rpc GetA(R) returns (A); }}", TO_LOG, "{}", set()),
        (
            (f"message A {{ string name = 1 @NAME; }} message R {{ {M} read_mask = 1; }} service S {{ rpc GetA(R) "
            f"returns (A); }}"),
            TO_LOG,
            "{}",
            {(WARNING, "mask-empty", "t.R.read_mask")},
        ),
        # Members of a oneof.
        (
            (f"message A {{ oneof o {{ string x = 1 @NAME; string y = 2 @{ONE}; }} }} service S {{ rpc Get(A) returns "
            f"(A); }}"),
            TO_LOG,
            "{}",
            {(NOTE, "oneof-partial", "t.A.o")},
        ),
        (
            ("message A { oneof o { int32 x = 1 @NAME; int32 y = 2 @NAME; } bool z = 3 @OPERATIONAL; } service S { rpc "
            "G(A) returns (A); }"),
            TO_LOG,
            "{}",
            set(),
        ),
        # Names that say what is never collected.
        ("message A { string user_age = 1 @OPERATIONAL; }", "", "{}", {(ERROR, "never-word", "t.A.user_age")}),
        ("message A { string user_age = 1 @AGE; string last_location = 2 @LOCATION; }", "", "{}", set()),
        ("message A { string birth_location = 1 @LOCATION; }", "", "{}", set()),
        ("message A { string iban = 1; }", "", "{}", {(WARNING, "never-word", "t.A.iban"), (WARNING, "unclassified", "t.A.iban")}),
        ("message A { string genre = 1 @OPERATIONAL; }", "", "{}", {(WARNING, "never-word", "t.A.genre")}),
        *(
            (f"message A {{ string {name} = 1 @OPERATIONAL; }}", "", "{}", {(ERROR, "never-word", f"t.A.{name}")})
            for name in ("born", "geburtsdatum", "civility", "anrede", "salutation", "cc_number", "cvv", "jwt", "ssn", "religion")
        ),
        *(
            (f"message A {{ string {name} = 1 @OPERATIONAL; }}", "", "{}", {(WARNING, "never-word", f"t.A.{name}")})
            for name in ("lat", "lng", "lon", "pan", "pin", "otp", "authorization", "nif", "alter")
        ),
        ("message A { string religion = 1 @AGE; string ssn = 2 @CREDENTIAL; }", "", "{}", set()),
        ("message A { bool has_ssn = 1 @OPERATIONAL; google.protobuf.Timestamp ssn_seen_at = 2 @OPERATIONAL; }", "", "{}", set()),
        ("message A { bool pregnant = 1 @OPERATIONAL; }", "", "{}", {(ERROR, "never-word", "t.A.pregnant")}),
        ("message A { K k = 1 @OPERATIONAL; } enum K { K_X = 0; K_PAN = 1; K_GENRE = 2; }", "", "{}", {(WARNING, "never-word", "t.A.k")}),
        (
            "message A { K k = 1 @OPERATIONAL; } enum K { K_X = 0; K_GENRE = 1; K_RELIGION = 2; }",
            "",
            "{}",
            {(ERROR, "never-word", "t.A.k")},
        ),
        # Names that say something personal, under the label that any token passes.
        *(
            (f"message A {{ string {name} = 1 @OPERATIONAL; }}", "", "{}", {(WARNING, "personal-word", f"t.A.{name}")})
            for name in ("first_name", "lastName", "email", "phone", "vorname", "postal_code", "username", "ip_address")
        ),
        # Names that are somebody's, or a thing's that is called so.
        *(
            (f"message A {{ string {name} = 1 @OPERATIONAL; }}", "", "{}", {(WARNING, "personal-word", f"t.A.{name}")})
            for name in ("author", "owner", "manager", "assignee", "contact", "customer", "created_by", "nom", "employee_id", "taskOwner",
                "destinataire", "mitarbeiter")
        ),
        *(
            (f"message A {{ {field} }}", "", "{}", set())
            for field in (
                "string owner = 1 @USER_ID;",
                "string author = 1 @NAME;",
                "bool owner = 1 @OPERATIONAL;",
                "string owner_kind = 1 @OPERATIONAL;",
                "string package_manager = 1 @OPERATIONAL;",
                "string owner = 1 @{category: OPERATIONAL, one_of: ['team', 'user']};",
                "string customer_id = 1 @{category: OPERATIONAL, pattern: 'cus_[0-9]{4}'};",
            )
        ),
        ("message A { string first_name = 1 @NAME; string email = 2 @WORK_EMAIL; string phone = 3 @PHONE; }", "", "{}",
            set()),
        ("message A { string email_kind = 1 @{category: OPERATIONAL, one_of: 'a'}; bool email_sent = 2 @OPERATIONAL; }", "", "{}", set()),
        ("message A { google.protobuf.Timestamp email_sent_at = 1 @OPERATIONAL; string name = 2 @OPERATIONAL; }", "", "{}", set()),
        (
            USER,
            """otlp: {attributes: {service.email: OPERATIONAL, service.firstname: OPERATIONAL, service.religion: OPERATIONAL,
                service.lat: OPERATIONAL, service.*: OPERATIONAL, client.email: WORK_EMAIL}}""",
            "{}",
            {
                (WARNING, "personal-word", "otlp.attributes.service.email"),
                (WARNING, "personal-word", "otlp.attributes.service.firstname"),
                (ERROR, "never-word", "otlp.attributes.service.religion"),
                (WARNING, "never-word", "otlp.attributes.service.lat"),
            },
        ),
        (
            USER,
            ("tracking_plan: {a.b: {properties: {surname: {type: string}, phone_kind: {one_of: [a]}, email_sent: "
            "{type: boolean}}}}"),
            "{}",
            {(WARNING, "personal-word", "tracking_plan.a.b.properties.surname")},
        ),
        ("message A { A location = 1; string id = 2 @USER_ID; }", "", "{}", {(WARNING, "never-word", "t.A.location")}),
        ("message A { google.protobuf.Timestamp password_changed_at = 1 @OPERATIONAL; bool has_iban = 2 @OPERATIONAL; }", "", "{}", set()),
        (("message A { string page = 1 @OPERATIONAL; string language = 2 @OPERATIONAL; string storage = 3 "
         "@OPERATIONAL; }"), "", "{}", set()),
        ("message A { K k = 1 @OPERATIONAL; } enum K { K_X = 0; K_FEMALE = 1; K_MALE = 2; }", "", "{}", {(ERROR, "never-word", "t.A.k")}),
        ("message A { K k = 1 @GENDER; } enum K { K_X = 0; K_FEMALE = 1; }", "", "{}", set()),
        ("message A { K k = 1 @OPERATIONAL; } enum K { K_X = 0; K_PASSWORD = 1; K_IBAN = 2; }", "", "{}", set()),
        (
            "message A { repeated K k = 1; } enum K { K_X = 0; K_AGE_18 = 1; }",
            "",
            "{}",
            {(WARNING, "never-word", "t.A.k"), (WARNING, "unclassified", "t.A.k")},
        ),
        (
            "message A { string id = 1 @USER_ID; }",
            "tracking_plan: {a.b: {properties: {age: {min: 0, max: 120}, is_male: {type: boolean}}}}",
            "{}",
            {(ERROR, "never-word", "tracking_plan.a.b.properties.age"), (ERROR, "never-word", "tracking_plan.a.b.properties.is_male")},
        ),
        (
            "message A { string id = 1 @USER_ID; }",
            "otlp: {attributes: {geo.*: OPERATIONAL, user.gender: GENDER, enduser.token: USER_ID}}",
            "{}",
            {(ERROR, "never-word", "otlp.attributes.geo.*"), (ERROR, "never-word", "otlp.attributes.enduser.token")},
        ),
    ],
)  # fmt: skip
def test_it_finds_this_and_nothing_else(
    body: str, more: str, flows: str, expected: set[tuple[Severity, str, str]]
) -> None:
    if "LEGACY_REQUIRED" in body:
        head = 'edition = "2023";\npackage t;\nimport "kannelle/privacy/v1/annotations.proto";\n'
        made = Compiler(contract(proto(body, head)), parse(f"{POLICY}flows: {flows}\n{more}"))
        assert {(finding.severity, finding.code, finding.place) for finding in fed(lint(made))} == expected
    else:
        assert found(body, more, flows) == expected


@pytest.mark.parametrize(
    ("domains", "places"),
    [
        ("{add: [family.example], remove: [eclipso.de, mail.telia.com]}", set()),
        ("{add: [eclipso.de, mail.Gmail.com, family.example]}", {"personal_domains.add[0]", "personal_domains.add[1]"}),
        ("{remove: [acme.example, polizei.berlin.de]}", {"personal_domains.remove[0]", "personal_domains.remove[1]"}),
    ],
)
def test_mail_domains_that_need_not_be_named_are_found(domains: str, places: set[str]) -> None:
    expected = {(WARNING, "domain-idle", place) for place in places}
    assert found(USER, f"personal_domains: {domains}", FLOW) == expected


def test_domains_that_others_register_theirs_under_are_found() -> None:
    places = {(WARNING, "domain-registry", f"personal_domains.{part}") for part in ("add[0]", "remove[1]")}
    assert found(USER, "personal_domains: {add: [com.br, co.example], remove: [eclipso.de, co.uk]}", FLOW) == places


def test_what_is_not_approved_is_not_called_unclassified(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("version: 2\napproved: {t.A.id: {category: USER_ID, type: string}}\n")
    file = parse(f"{POLICY}flows: {{}}\napprovals: a.lock\n", tmp_path / "policy.yaml")
    made = Compiler(
        contract(proto("message A { string id = 1 @USER_ID; string name = 2 @NAME; string bare = 3; }")), file
    )
    assert [(finding.code, finding.place) for finding in fed(lint(made))] == [
        ("unclassified", "t.A.bare"),
        ("not-approved", "t.A.name"),
    ]


def test_errors_come_first() -> None:
    findings = fed(lint(compiler("message A { string a = 1; string age = 2 @NAME; int32 n = 3 @OPERATIONAL; }")))
    assert [finding.severity for finding in findings] == [ERROR, WARNING, NOTE]


@pytest.mark.parametrize(
    ("body", "flows", "text"),
    [
        (
            "message A { string age = 1 @NAME; }",
            "{}",
            (
                "its name says AGE, which is never collected, under the label NAME: label it AGE, drop it, or name it for "
                "what it is"
            ),
        ),
        (
            "message A { string id = 1 @USER_ID; string b = 2 @OPERATIONAL; }",
            OUT,
            "not closed, so stripped at us-vendor, outside the EU: give it one_of or a pattern",
        ),
        (
            "message A { string religion = 1 @OPERATIONAL; }",
            "{}",
            (
                "its name says SPECIAL, which is never collected, under the label OPERATIONAL: drop it or name it for "
                "what it is"
            ),
        ),
        (
            "message A { K k = 1 @OPERATIONAL; } enum K { K_X = 0; K_FEMALE = 1; }",
            "{}",
            "its value K_FEMALE says GENDER, which is never collected: label it GENDER or drop it",
        ),
        (
            "message A { string surname = 1 @OPERATIONAL; }",
            "{}",
            (
                "its name says something personal, under the label OPERATIONAL: label it as what it is, or say which "
                "values it may have"
            ),
        ),
        (
            "message A { bytes id = 1 @USER_ID; }",
            "{}",
            (
                "a value of kind bytes can't be USER_ID, so it is always stripped: label it as what it holds (NAME, "
                "PHONE, "
                "PERSONAL_EMAIL, POSTAL_ADDRESS, DEVICE, NETWORK and 5 more), or change its type"
            ),
        ),
        (
            "message A { map<string, string> m = 1 @NAME; }",
            "{}",
            "its keys have no category (`map_key`), so it goes nowhere; say what it holds",
        ),
    ],
)
def test_a_finding_says_what_to_do(body: str, flows: str, text: str) -> None:
    assert one(body, flows=flows).text == text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("string id = 1 @USER_ID;", "gate-shut"),
        (f"string ws = 1 @{WORKSPACE};", ""),
        ("string id = 1 @USER_ID; W w = 2;", ""),
        ("W w = 1 @NAME; string id = 2 @USER_ID;", "gate-shut"),
        (f"string a = 1 @{WORKSPACE}; string b = 2 @{WORKSPACE};", "ambiguous-subject"),
    ],
)
def test_a_gate_that_never_opens_is_found(body: str, code: str) -> None:
    held = contract(proto(f"message A {{ {body} }} message W {{ string id = 1 @{WORKSPACE}; }}"))
    findings = fed(lint(Compiler(held, policy(flows="{t.A: [backup]}", destinations=GATED))))
    assert [one.code for one in findings] == ([code] if code else [])


@pytest.mark.parametrize(
    ("named", "allowed", "shut"),
    [("workspace: ws, ", "OPERATIONAL", False), ("", "OPERATIONAL", True), ("workspace: ws, ", "USER_ID", True)],
)
def test_a_gate_of_a_signal_opens_by_the_attribute_that_the_policy_names(named: str, allowed: str, shut: bool) -> None:
    gated = GATED.replace("store", "log").replace("USER_ID, OPERATIONAL, CONTENT", allowed)
    file = policy(f"otlp: {{{named}attributes: {{ws: OPERATIONAL, user.id: USER_ID}}}}", "{otlp/logs: [backup]}", gated)
    assert ("gate-shut" in {one.code for one in lint(Compiler(contract(proto("")), file))}) is shut


def test_a_place_in_the_policy_keeps_its_keys() -> None:
    finding = one("message A { string id = 1 @USER_ID; }", "otlp: {attributes: {geo.*: OPERATIONAL}}")
    assert finding.keys == ("otlp", "attributes", "geo.*")


def test_a_place_in_a_route_keeps_its_index() -> None:
    finding = one(USER, f"routes: [{{{ROUTE}}}]")
    assert (finding.keys, finding.text) == (
        ("routes", 0),
        "no caller may use it: name those who may, and what they get",
    )


def test_metadata_whose_name_says_what_is_never_collected_is_found() -> None:
    callers = (
        "c: {region: FR, allow: [], metadata: {keys: {x-gender: OPERATIONAL}, baggage: {user.age: {category: "
        "OPERATIONAL}}}}"
    )
    findings = fed(lint(compiler(USER, f"routes: [{{{ROUTE}, callers: {{{callers}}}}}]")))
    place = "routes[0].callers.c.metadata"
    assert {(finding.severity, finding.code, finding.place) for finding in findings} == {
        (ERROR, "never-word", f"{place}.keys.x-gender"),
        (ERROR, "never-word", f"{place}.baggage.user.age"),
    }


def test_a_route_that_does_not_compile_is_said_so() -> None:
    with pytest.raises(BadPolicy, match=r"routes\[0\]\.methods\[0\]: no contract has a method"):
        lint(compiler(USER, f"routes: [{{{ROUTE}, methods: [t.S/Get]}}]"))


def test_every_check_says_what_it_is() -> None:
    assert all(check.__doc__ for check in CHECKS)
