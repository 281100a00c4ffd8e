"""The tree of what one destination gets never says otherwise than the plan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.errors import BadSetup, FieldReason, Reason
from gateway.model import Category
from gateway.plan import Attributes, Form, Nested, Plan, Value
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.policy.load import parse
from gateway.policy.review.explain import KEY, Node, explain
from gateway.policy.rules import SCALAR_KINDS
from tests.support.contracts import POLICY, compiler, contract, policy, proto

KANNELLE: Final = Compiler(load_contracts([default_contract()]), load_policy(default_policy()))

BODY: Final = """
message Item {
  string id = 1 @USER_ID;
  string name = 2 @NAME;
  string bare = 3;
  Part part = 4;
  repeated Part parts = 5;
  map<string, Part> by_key = 6 @{map_key: OPERATIONAL};
  map<string, string> plain = 7 @NAME;
  map<string, string> noted = 8 @{category: NAME, map_key: OPERATIONAL};
  google.protobuf.Any payload = 9;
  google.protobuf.Timestamp at = 10 @OPERATIONAL;
  google.protobuf.Struct shape = 11 @OPERATIONAL;
  Item parent = 12;
  Hidden hidden = 13;
  Kind kind = 14 @OPERATIONAL;
  repeated string phones = 15 @PHONE;
  Part shut = 16 @CONTENT;
  oneof choice { string left = 17 @OPERATIONAL; Part right = 18; }
  map<string, Hidden> secrets = 19 @{map_key: OPERATIONAL};
  google.protobuf.FieldMask untold = 20;
  map<string, google.protobuf.FieldMask> masks = 21;
  Change change = 22;
}
message Change { Part part = 1; google.protobuf.FieldMask changed = 2; google.protobuf.FieldMask shut = 3 @LOCATION; }
message Part { string code = 1 @{category: OPERATIONAL, one_of: "a"}; Item back = 2; int32 size = 3 @OPERATIONAL; }
message Hidden { string iban = 1 @BANKING; Hidden more = 2; }
enum Kind { KIND_UNSPECIFIED = 0; KIND_ONE = 1; }
"""
SECOND: Final = """\
syntax = "proto2";
package u;
import "kannelle/privacy/v1/annotations.proto";
message Old {
  optional string id = 1 @USER_ID;
  optional group Box = 2 { optional string code = 3 @OPERATIONAL; }
  extensions 100 to 200;
}
extend Old { optional string extra = 100 @NAME; }
"""
FLOWS: Final = "{t.Item: [eu-store, us-vendor]}"
OURS: Final = Compiler(contract(proto(BODY), proto(SECOND, head="")), policy(flows=FLOWS))


def kept_by(plan: Plan) -> set[str]:
    """The full names of the fields in a plan's projection, without the payloads that an `Any` may hold."""
    found: set[str] = set()
    waiting: list[int] = [0]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        message = plan.messages[index]
        if index in seen or message.form is not Form.MESSAGE or message.name in SCALAR_KINDS:
            continue
        seen.add(index)
        for field in message.fields:
            name = field.name[1:-1] if field.name.startswith("[") else f"{message.name}.{field.name}"
            found.add(name)
            rule = None if field.rule is None else plan.rules[field.rule]
            target = rule.message if isinstance(rule, Nested) else field.message
            if target is not None and plan.messages[target].form is Form.MAP_ENTRY:
                found.add(name + KEY)
                target = plan.messages[target].fields[1].message
            waiting += [] if target is None else [target]
    return found


def nodes(root: Node) -> Iterator[tuple[str, Node]]:
    return ((path, node) for path, node in root.walk() if not node.key.startswith(("otlp.", "tracking_plan.")))


def cases() -> Iterator[tuple[Compiler, str, str]]:
    for made in (KANNELLE, OURS):
        for item in made.contract.messages:
            for destination in made.policy.destinations:
                yield made, item, destination


def test_what_is_kept_is_what_the_plan_holds() -> None:
    compared = 0
    for made, item, destination in cases():
        try:
            plan = made.plan(item, destination)
        except BadSetup:
            continue
        kept = {node.key for _, node in nodes(explain(made, item, destination)) if node.kept}
        assert kept == kept_by(plan), (item, destination)
        compared += bool(kept)
    assert compared > 100


def live(value: Value | None) -> bool:
    return value is not None and value != Value()


def test_every_attribute_is_as_the_plan_has_it() -> None:
    item, destination = "opentelemetry.proto.logs.v1.ResourceLogs", "application-log"
    (rule,) = (rule for rule in KANNELLE.plan(item, destination).rules if isinstance(rule, Attributes))
    told = {
        node.name: node.kept
        for _, node in explain(KANNELLE, item, destination).walk()
        if node.key.startswith("otlp.attributes.")
    }
    expected = {**rule.exact, **{f"{prefix}*": value for prefix, value in rule.prefixes.items()}}
    assert told == {key: live(expected.get(key)) for key in KANNELLE.policy.otlp.attributes}


@pytest.mark.parametrize(
    ("destination", "path", "kept", "reason", "words"),
    [
        ("eu-store", "id", True, None, "a user ID, matches usr_[A-Za-z0-9]{1,32}"),
        (
            "eu-log",
            "id",
            True,
            None,
            "a user ID, matches usr_[A-Za-z0-9]{1,32}, no name or address of the item's own person",
        ),
        ("eu-store", "name", True, None, "no card, iban, coordinates, secret in it (a phone is no card)"),
        ("us-vendor", "name", False, FieldReason.CATEGORY_NOT_ALLOWED, "NAME is not allowed here"),
        ("eu-store", "bare", False, FieldReason.UNCLASSIFIED, "not classified"),
        ("eu-store", "part", True, None, "what is in it decides"),
        ("eu-store", "part.code", True, None, "one of a"),
        ("eu-store", "part.size", True, None, "a number that is no phone, card or identity number"),
        (
            "us-vendor",
            "part.size",
            False,
            FieldReason.NOT_CLOSED,
            "not closed: outside the EU it needs one_of, a pattern, or min and max",
        ),
        ("eu-store", "by_key[*]", True, None, "what is in it decides"),
        ("eu-store", "by_key[*][key]", True, None, "a token, nothing personal in it"),
        (
            "us-vendor",
            "by_key[*]",
            False,
            FieldReason.MAP_KEY_NOT_ALLOWED,
            "its keys may not leave, and no entry without its key",
        ),
        (
            "us-vendor",
            "by_key[*][key]",
            False,
            FieldReason.NOT_CLOSED,
            "not closed: outside the EU it needs one_of, a pattern, or min and max",
        ),
        (
            "eu-store",
            "plain[*]",
            False,
            FieldReason.MAP_KEY_NOT_ALLOWED,
            "its keys may not leave, and no entry without its key",
        ),
        ("eu-store", "plain[*][key]", False, FieldReason.UNCLASSIFIED, "not classified"),
        ("eu-store", "noted[*]", True, None, "no card, iban, coordinates, secret in it (a phone is no card)"),
        ("eu-store", "payload", True, None, "its payload decides, by the payload's type"),
        ("eu-store", "at", True, None, "a valid time"),
        ("us-vendor", "at", True, None, "a time within 7 days of receipt"),
        (
            "eu-store",
            "shape",
            False,
            FieldReason.OPAQUE,
            "what is in it can't be judged, so it can't hold this category",
        ),
        ("eu-store", "hidden", False, FieldReason.NOTHING_ALLOWED, "nothing in it may leave"),
        ("eu-store", "hidden.iban", False, FieldReason.CATEGORY_NOT_ALLOWED, "BANKING is not allowed here"),
        ("eu-store", "secrets[*]", False, FieldReason.NOTHING_ALLOWED, "nothing in it may leave"),
        ("eu-store", "kind", True, None, "a value that its enum lists"),
        ("eu-store", "phones[*]", True, None, "no card, iban, coordinates, secret in it (a phone is no card)"),
        ("eu-indirect", "shut", False, FieldReason.CATEGORY_NOT_ALLOWED, "CONTENT is not allowed here"),
        ("eu-store", "left", True, None, "a token, nothing personal in it"),
    ],
)
def test_each_field_is_told_with_its_rule_or_its_reason(
    destination: str, path: str, kept: bool, reason: Reason | None, words: str
) -> None:
    node = dict(explain(OURS, "t.Item", destination).walk())[path]
    assert (node.kept, node.reason, node.wording) == (kept, reason, words)


def test_a_type_is_told_once_and_referred_to_after() -> None:
    told = dict(explain(OURS, "t.Item", "eu-store").walk())
    assert [path for path, node in told.items() if node.shown_above] == [
        "part.back",
        "parts[*]",
        "by_key[*]",
        "parent",
        "hidden.more",
        "shut",
        "right",
        "secrets[*]",
        "change.part",
    ]
    assert not any(node.children for node in told.values() if node.shown_above and node.type != "map<string, t.Part>")


def test_a_message_that_is_shut_itself_tells_nothing_of_what_it_holds() -> None:
    assert dict(explain(OURS, "t.Item", "eu-indirect").walk())["shut"].children == ()


def test_groups_and_extensions_are_told_under_their_names() -> None:
    told = dict(explain(OURS, "u.Old", "eu-store").walk())
    assert list(told) == ["id", "box", "box.code", "[u.extra]"]
    assert told["[u.extra]"].key == "u.extra"


def test_an_event_is_told_with_its_properties() -> None:
    made = compiler(
        "message A { string id = 1 @USER_ID; }",
        "tracking_plan: {a.b: {properties: {n: {min: 0, max: 5}, open: {type: string}, f: {type: number}}}}",
    )
    told = dict(explain(made, "kannelle.privacy.v1.AnalyticsEvent", "us-vendor").walk())
    assert told["properties[*].a.b"].kept
    assert told["properties[*].a.b.n"].wording == "0 to 5"
    assert told["properties[*].a.b.open"].reason is FieldReason.NOT_CLOSED
    assert told["properties[*].a.b.f"].reason is FieldReason.NOT_CLOSED
    assert told["properties[*].a.b.n"].category is Category.OPERATIONAL


def test_no_attribute_is_kept_where_no_log_may_be() -> None:
    made = compiler(
        "message A { string id = 1 @USER_ID; }",
        "otlp: {attributes: {service.*: OPERATIONAL, user.id: USER_ID, user.name: AGE}}",
    )
    inside, outside = (
        {node.name: node for _, node in explain(made, "opentelemetry.proto.logs.v1.ResourceLogs", name).walk()}
        for name in ("eu-store", "us-store")
    )
    assert inside["service.*"].kept
    assert inside["user.id"].kept
    assert {outside[key].reason for key in ("service.*", "user.id")} == {FieldReason.CATEGORY_NOT_ALLOWED}
    assert inside["user.name"].wording == "AGE is not allowed here"


def test_what_is_not_approved_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("version: 2\napproved: {t.A.id: {category: USER_ID, type: string}}\n")
    file = parse(f"{POLICY}flows: {{}}\napprovals: a.lock\n", tmp_path / "policy.yaml")
    made = Compiler(contract(proto("message A { string id = 1 @USER_ID; string name = 2 @NAME; }")), file)
    told = dict(explain(made, "t.A", "eu-store").walk())
    assert told["id"].kept
    assert (told["name"].reason, told["name"].wording) == (FieldReason.UNCLASSIFIED, "NAME, which is not approved")


@pytest.mark.parametrize(("item", "destination"), [("t.Nothing", "eu-store"), ("t.Item", "nowhere")])
def test_an_unknown_name_raises(item: str, destination: str) -> None:
    with pytest.raises(KeyError):
        explain(OURS, item, destination)


def test_the_policy_s_own_mail_domains_are_told_beside_an_address() -> None:
    domains = "personal_domains: {add: [family.example], remove: [eclipso.de]}"
    made = compiler("message A { string mail = 1 @WORK_EMAIL; }", domains)
    told = dict(explain(made, "t.A", "eu-store").walk())
    assert told["mail"].wording == "a business address, of eclipso.de too, not of family.example"
