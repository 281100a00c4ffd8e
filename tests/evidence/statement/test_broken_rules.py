"""Each promise has a way to break it, and its line says so; any other line that fails names the same rule.

Some policies that break a rule load, since no loader's rule forbids them. For others the rule is taken out of this
process: a policy or an engine without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec
import pytest

from gateway.engine import addresses
from gateway.errors import BadPolicy
from gateway.evidence.statement.promises import PROMISES
from gateway.evidence.statement.rules import Rule
from gateway.exporters.otlp.settings import OtlpSettings
from gateway.model import Category, Recipient
from gateway.policy import person_probes
from gateway.policy.document import Classification, Metadata, Mode, Otlp, UserId
from gateway.policy.tracking_plan import Event, Property
from gateway.policy.vocabulary import LegalBasis
from tests.evidence.statement.kept_policy import (
    Change,
    allowed,
    another,
    both,
    caller,
    check,
    destination,
    document,
    flow,
    kept_file,
    route,
)
from tests.evidence.statement.replacements import (
    Replace,
    accepts_anything,
    allows,
    any_flow,
    any_user_id,
    consent_loads,
    late_times,
    no_cards,
    no_endpoint_rules,
    no_free_mail,
    no_gate,
    no_log_rules,
    no_network_addresses,
    nothing,
    open_outside,
    placed,
    plaintext_loads,
    unplanned_events,
    without_echo,
)

C = Category


def planned(name: str, **rule: object) -> Change:
    """Plan one more property of the one event."""
    events = kept_file().policy.tracking_plan
    held = {**events["video.exported"].properties, name: msgspec.convert(rule, Property)}
    return document(tracking_plan={"video.exported": Event(properties=held)})


def attribute(key: str, pattern: str = "") -> Change:
    """List one more attribute as operational, with a pattern or without."""
    held = Classification(category=C.OPERATIONAL, pattern=pattern) if pattern else C.OPERATIONAL
    listed = {**kept_file().policy.otlp.attributes, key: held}
    return document(otlp=Otlp(attributes=listed))


def sends_to(endpoint: str) -> Change:
    return destination("application-log", exporter=OtlpSettings(endpoint=endpoint))


def beside(name: str, **metadata: object) -> Change:
    """Let calls to a destination say more beside their messages."""
    return destination(name, metadata=msgspec.convert(metadata, Metadata))


BUILT_IN: Final = (no_log_rules, no_endpoint_rules, any_user_id, open_outside, consent_loads, plaintext_loads)
"""Rules of the loader and the compiler that are replaced whole."""


class Case(NamedTuple):
    """A promise and the rule of it that is broken: how the policy is changed, and what is replaced so that it loads."""

    promise: str
    rule: Rule
    change: Change = document()
    replace: Replace = nothing
    how: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.promise}: {self.rule.name}", self.how)))


CASES: Final = (
    Case("logs-contents", Rule.LOG_CATEGORIES, allowed("activity-log", C.NAME), no_log_rules),
    Case("logs-contents", Rule.LOG_VALUES, document(), no_network_addresses),
    Case("logs-contents", Rule.LOG_VALUES, attribute("exception.message", "[A-Za-z0-9 .]{1,200}"), how="by sentences"),
    Case("logs-contents", Rule.LOG_VALUES, attribute("kannelle.note", "[A-Z]{1,20}( [A-Z]{1,20}){1,3}"), how="in capitals"),
    Case("logs-contents", Rule.LOG_VALUES, attribute("user.full_name", "[A-Za-z]{1,20}( [A-Za-z]{1,20}){0,3}"),
         how="by names"),
    Case("logs-contents", Rule.ECHO, document(), without_echo),
    Case("logs-place", Rule.LOG_REGIONS, destination("activity-log", region="BE"), no_log_rules),
    Case("database-contents", Rule.DATABASE_CATEGORIES, allowed("directory", C.ORGANISATION)),
    Case("assets-place", Rule.CONTENT_REGIONS, both(destination("assets", region="BE"), allowed("assets", C.CONTENT)),
         placed(C.CONTENT, "BE")),
    Case("projects-place", Rule.CONTENT_REGIONS,
         both(destination("web-projects", region="BE"), allowed("web-projects", C.CONTENT)), placed(C.CONTENT, "BE")),
    Case("projects-backup", Rule.BACKUP_SWITCH, flow("kannelle.project.v1.Project", "web-projects"), no_gate),
    Case("identity-place", Rule.IDENTITY_REGIONS,
         destination("identity-provider", region="SE", allow=frozenset({C.OPERATIONAL}))),
    Case("crm-place", Rule.CRM_REGIONS, destination("crm", region="FR")),
    Case("personal-data-place", Rule.PERSONAL_DATA_REGIONS,
         both(document(ceilings={**kept_file().policy.ceilings, "SE": frozenset({C.DEVICE})}),
              another("devices", "accounts", region="SE", allow=frozenset({C.DEVICE}))), placed(C.DEVICE, "SE")),
    Case("personal-data-place", Rule.PERSONAL_DATA_REGIONS,
         both(document(ceilings={**kept_file().policy.ceilings, "PL": frozenset({C.NAME})}),
              caller(region="PL", allow=frozenset({C.NAME}))), placed(C.NAME, "DE", "PL"), how="by a caller"),
    Case("us-indirect", Rule.OUTSIDE_CATEGORIES, allowed("analytics", C.NAME), placed(C.NAME, "DE", "US")),
    Case("us-indirect", Rule.CLOSED_PATTERNS, planned("owner", pattern="[A-Za-z]{1,40}"), open_outside),
    Case("us-indirect", Rule.TIMES, document(), late_times),
    Case("us-recipients", Rule.OUTSIDE_PURPOSES, another("watchers", "analytics", purpose="essential.service.security")),
    Case("us-recipients", Rule.OUTSIDE_PURPOSES, caller(region="US", allow=frozenset({C.USER_ID})), how="by a caller"),
    Case("us-usage", Rule.TRACKING_PLAN, document(), unplanned_events),
    Case("us-usage", Rule.TRACKING_PLAN, flow("kannelle.account.v1.Account", "accounts", "analytics"), how="by accounts"),
    Case("discussion", Rule.DISCUSSION_ARCHIVE, flow("kannelle.privacy.v1.SupportService/*", "support")),
    Case("identifiers", Rule.IDENTIFIER_FORM, document(user_id=UserId(pattern="[A-Za-z .-]{1,40}")), any_user_id),
    Case("accounts-contents", Rule.ACCOUNT_CATEGORIES, allowed("accounts", C.ORGANISATION)),
    Case("never", Rule.NEVER_COLLECTED, attribute("user.age")),
    Case("never-by-value", Rule.FORBIDDEN_VALUES, document(), no_cards),
    Case("no-personal-accounts", Rule.NO_PERSONAL_ACCOUNTS, document(), no_free_mail),
    Case("purposes", Rule.PURPOSES, destination("accounts", purpose="employment")),
    Case("minimised", Rule.ALLOWED_CATEGORIES, document(), allows("identity-provider", C.COOKIE)),
    Case("minimised", Rule.ALLOWED_CATEGORIES, beside("identity-provider", keys={"x-user-name": C.OPERATIONAL}),
         how="by metadata"),
    Case("minimised", Rule.SEPARATE_RECIPIENTS,
         flow("kannelle.privacy.v1.SupportService/*", "support", "support-archive", "web-projects")),
    Case("minimised", Rule.ENFORCED, route(mode=Mode.SHADOW), how="by a route in shadow"),
    Case("shared-with-nobody", Rule.LISTED_RECIPIENTS, document(), any_flow),
    Case("hosts", Rule.ENDPOINT_REGIONS, sends_to("https://collector.example:4317"), no_endpoint_rules),
    Case("consent", Rule.CONSENT, destination("communications", legal_basis=LegalBasis.CONSENT), consent_loads),
    Case("sales", Rule.SALES_CATEGORIES, allowed("crm", C.DEVICE), placed(C.DEVICE, "DE")),
    Case("sales", Rule.SALES_CATEGORIES, flow("kannelle.account.v1.Account", "accounts", "crm"), how="by accounts"),
    Case("support", Rule.SUPPORT_CATEGORIES, flow("kannelle.project.v1.WebProject", "web-projects", "support-archive"),
         how="by projects"),
    Case("purchase", Rule.PURCHASE_CATEGORIES, flow("kannelle.project.v1.WebProject", "web-projects", "billing"),
         how="by projects"),
    Case("communications", Rule.COMMUNICATION_CATEGORIES,
         flow("kannelle.account.v1.Account", "accounts", "communications"), how="by accounts"),
    Case("support", Rule.SUPPORT_CATEGORIES, allowed("support-archive", C.PAYMENT)),
    Case("purchase", Rule.PURCHASE_CATEGORIES, allowed("billing", C.USAGE)),
    Case("communications", Rule.COMMUNICATION_CATEGORIES, allowed("communications", C.USAGE)),
    Case("professional-services", Rule.SERVICES_CATEGORIES, allowed("professional-services", C.USAGE)),
    Case("addresses", Rule.ADDRESS_PURPOSES,
         another("guards", "accounts", purpose="essential.service.security", allow=frozenset({C.NETWORK})),
         placed(C.NETWORK)),
    Case("cookies", Rule.COOKIE_PURPOSES, another("cookies", "accounts", allow=frozenset({C.COOKIE}))),
    Case("cookies", Rule.COOKIE_PURPOSES, beside("accounts", credentials=("authorization", "cookie")), how="as they are"),
    Case("cookies", Rule.COOKIE_PURPOSES, caller(metadata=Metadata(credentials=("set-cookie",))), how="to a caller"),
    Case("cookie-choice", Rule.ADVERTISING_CHOICE, another("ads", "accounts", purpose="marketing.advertising")),
    Case("retention", Rule.RETENTION, destination("accounts", retention=timedelta(days=30 * 365))),
    Case("unreadable", Rule.FAIL_CLOSED, document(), accepts_anything),
    Case("encrypted", Rule.TLS,
         both(sends_to("http://collector.example:4317"), document(hosts={"FR": frozenset({"collector.example"})})),
         no_endpoint_rules),
    Case("encrypted", Rule.TLS, route(plaintext=True), plaintext_loads, how="by a route"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    """What a replaced rule decided is remembered by nobody."""
    caches = (addresses.reader, person_probes.first_passing)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_the_policy_that_is_changed_keeps_every_promise() -> None:
    assert check().passed
    assert [one.callers for one in kept_file().policy.routes]
    assert {one.recipient for one in kept_file().policy.destinations.values()} == set(Recipient)


def test_each_promise_has_a_way_to_break_it() -> None:
    assert {case.promise for case in CASES} == {promise.id for promise in PROMISES}
    assert {case.rule for case in CASES} == set(Rule)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_rule_fails_the_lines_that_name_it_and_no_other(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.replace(monkeypatch)
    table = check(case.change)
    failing = {line.id for line in table.promises if not line.passed}
    rules = {rule.rule for line in table.promises for rule in line.rules if not rule.passed}
    assert rules == {case.rule.name.lower().replace("_", "-")}
    assert failing == {promise.id for promise in PROMISES if case.rule in promise.rules}
    assert case.promise in failing


@pytest.mark.parametrize("case", [case for case in CASES if case.replace in BUILT_IN], ids=str)
def test_with_its_rule_such_a_policy_does_not_load(case: Case) -> None:
    with pytest.raises(BadPolicy):
        check(case.change)
