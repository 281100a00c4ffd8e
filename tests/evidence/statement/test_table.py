"""The statement's table under Kannelle's own policy: every promise has a rule, every rule is checked, and all pass."""

from __future__ import annotations

from functools import cache

import pytest

from docs import statement as page
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.evidence.statement.checklist import CHECKS
from gateway.evidence.statement.promises import LIMITS, PROMISES, Promise
from gateway.evidence.statement.rules import Rule
from gateway.evidence.statement.table import Statement, check_statement
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path, load, parse
from tests.support.contracts import NOW_SECONDS, compiler, policy

NOW_NS = NOW_SECONDS * 10**9


@cache
def default_statement() -> Statement:
    file = load(default_path())
    return check_statement(Compiler(load_contracts((default_contract(),)), file), file.origin, "Kannelle's", NOW_NS)


def test_every_promise_has_an_id_and_rules_and_every_rule_a_promise_and_checks() -> None:
    assert len({promise.id for promise in PROMISES}) == len({promise.sentence for promise in PROMISES}) == len(PROMISES)
    assert all(promise.rules for promise in PROMISES)
    assert {rule for promise in PROMISES for rule in promise.rules} == set(Rule)
    assert {check.rule for check in CHECKS} == set(Rule)
    assert all(limit.what and limit.who for limit in LIMITS)


@pytest.mark.parametrize("promise", [promise.id for promise in PROMISES])
def test_the_default_policy_keeps_each_promise(promise: str) -> None:
    (line,) = [one for one in default_statement().promises if one.id == promise]
    failing = [(rule.rule, one.tried, one.outcome, one.place) for rule in line.rules for one in rule.failing]
    assert (line.passed, failing) == (True, [])


def test_probes_are_no_empty_gesture() -> None:
    """Of messages with something in every field, identifier and business address arrive wherever they may."""
    found = {rule.rule: rule.checks for line in default_statement().promises for rule in line.rules}
    for type_name, destination in [
        ("kannelle.privacy.v1.ActivityEntry", "activity-log"),
        ("kannelle.privacy.v1.SupportMessage", "support"),
        ("kannelle.privacy.v1.AnalyticsEvent", "analytics"),
        ("opentelemetry.proto.logs.v1.ResourceLogs", "application-log"),
    ]:
        tried = f"{type_name} to {destination}, a value in every field"
        (outcome,) = [one.outcome for one in found["allowed-categories"] if one.tried == tried]
        assert "zenaide.quimperle@kannelle-probe.example" in outcome
        assert "usr_" in outcome
    archived = [one.outcome for one in found["support-categories"] if "support-archive, a value" in one.tried]
    assert any("Zénaïde Quimperlé" in outcome for outcome in archived)


def test_what_passes_for_its_form_is_listed() -> None:
    listed = {one.key: one for one in default_statement().listed}
    policy_now = load(default_path()).policy
    assert listed["user_id"].pattern == policy_now.user_id.pattern
    assert [one.pattern for key, one in listed.items() if key.startswith("identifiers[")] == [*policy_now.identifiers]
    exempt = {f"otlp.attributes.{key}" for key in policy_now.otlp.attributes if policy_now.otlp.privacy(key).without}
    assert exempt <= listed.keys()
    assert len(exempt) > 10


def test_a_promise_without_a_rule_and_a_rule_without_a_check_are_not_kept() -> None:
    held, file = compiler("message A { string a = 1; }"), policy()
    promises = (Promise("bare", "Nobody sees to it.", ()), Promise("unchecked", "A rule.", (Rule.TLS,)))
    table = check_statement(held, file.origin, "", NOW_NS, promises, checks=())
    assert [line.passed for line in table.promises] == [False, False]
    assert not table.passed


def test_a_policy_of_somebody_else_is_checked_by_what_it_has() -> None:
    text = """\
version: 1
controller: Acme
user_id: {pattern: "usr_[a-z]{1,8}"}
flows: {otlp/logs: [audit]}
destinations:
  audit: {recipient: store, region: FR, purpose: essential.service.security, legal_basis: CONTRACT,
          allow: [USER_ID, OPERATIONAL], retention: 30d}
ceilings: {FR: [USER_ID, OPERATIONAL]}
otlp: {attributes: {user.id: USER_ID}}
"""
    file = parse(text)
    table = check_statement(Compiler(load_contracts((default_contract(),)), file), file.origin, "", NOW_NS)
    assert table.passed, [line.id for line in table.promises if not line.passed]
    rules = {rule.rule: rule for line in table.promises for rule in line.rules}
    assert rules["log-regions"].checks[0].place == "policy.yaml:6: destinations.audit.region"
    assert rules["crm-regions"].checks == ()


def test_the_page_in_the_documents_is_in_step() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page()
