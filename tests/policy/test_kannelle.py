"""The default policy keeps the privacy statement, destination by destination."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contract
from gateway.errors import BadPolicy
from gateway.exporters.jsonl.settings import JsonlSettings
from gateway.model import INDIRECT, NEVER, Category, Gate, Recipient
from gateway.policy.compile import Compiler
from gateway.policy.document import Policy
from gateway.policy.load import default_path, load, parse
from gateway.policy.tracking_plan import PropertyType
from gateway.policy.vocabulary import LegalBasis
from tests.support.kannelle_policy import KANNELLE_POLICY

POLICY: Final[Policy] = load(default_path()).policy
TEXT: Final = default_path().read_text(encoding="utf-8")

RECIPIENTS: Final = {
    "activity-log": ("log", "FR"),
    "application-log": ("log", "FR"),
    "application-traces": ("log", "FR"),
    "application-metrics": ("log", "FR"),
    "access-log": ("log", "FR"),
    "analytics": ("vendor", "US"),
    "support": ("vendor", "US"),
    "support-archive": ("store", "FR"),
    "accounts": ("service", "FR"),
    "workspace-directory": ("store", "FR"),
    "project-backup": ("store", "FR"),
    "web-projects": ("store", "FR"),
    "business-assets": ("store", "FR"),
    "billing": ("service", "FR"),
    "professional-services": ("service", "FR"),
    "communications": ("service", "FR"),
    "identity-provider": ("service", "BE"),
    "crm": ("service", "DE"),
}

NOBODYS: Final = "application-metrics"
"""What measures is about nobody."""


def holders(category: Category) -> set[str]:
    return {name for name, destination in POLICY.destinations.items() if category in destination.allow}


def test_it_is_kannelles() -> None:
    assert (POLICY.controller, POLICY.user_id.pattern) == ("Check it Out S.A.S.", "usr_[A-Za-z0-9]{1,32}")
    assert POLICY.timestamps is not None
    assert POLICY.timestamps.days_around_receipt == 7


def test_every_recipient_is_where_the_statement_says() -> None:
    assert {name: (given.recipient.value, given.region) for name, given in POLICY.destinations.items()} == RECIPIENTS


@pytest.mark.parametrize("name", RECIPIENTS)
def test_every_recipient_has_a_purpose_a_basis_an_end_and_a_promise(name: str) -> None:
    given = POLICY.destinations[name]
    assert given.legal_basis in (LegalBasis.CONTRACT, LegalBasis.LEGITIMATE_INTERESTS)
    assert timedelta(days=1) <= given.retention <= timedelta(days=3650)
    assert given.exporter == JsonlSettings()
    above = TEXT[: TEXT.index(f"\n  {name}:\n")]
    block = above.rstrip().rpartition("\n\n")[2]
    assert "# Promise" in block, name


@pytest.mark.parametrize(
    "name", [name for name, (recipient, region) in RECIPIENTS.items() if recipient == Recipient.LOG or region == "US"]
)
def test_logs_and_the_us_get_indirect_data_only(name: str) -> None:
    assert POLICY.destinations[name].allow == ({Category.OPERATIONAL} if name == NOBODYS else INDIRECT)


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        (Category.PAYMENT, {"billing"}),
        (Category.POSTAL_ADDRESS, {"billing"}),
        (Category.FREE_TEXT, {"support-archive"}),
        (Category.CONTENT, {"business-assets", "project-backup", "support-archive", "web-projects"}),
        (Category.DEVICE, {"accounts", "identity-provider", "support-archive"}),
        (Category.USAGE, {"accounts", "support-archive"}),
        (Category.NETWORK, {"identity-provider"}),
        (Category.COOKIE, set()),
        (Category.PERSONAL_EMAIL, set()),
        *((category, set()) for category in sorted(NEVER)),
    ],
)
def test_a_category_goes_where_it_is_needed(category: Category, expected: set[str]) -> None:
    assert holders(category) == expected


def test_projects_alone_leave_by_a_gate() -> None:
    gated = {name: given.gates for name, given in POLICY.destinations.items() if given.gates}
    assert gated == {"project-backup": {Gate.BACKUP}}


def test_without_its_gate_the_policy_does_not_hold() -> None:
    assert TEXT.count("    gates: [backup]\n") == 1
    with pytest.raises(
        BadPolicy, match=r"destinations\.project-backup\.gates: gets content of kannelle\.project\.v1\."
    ):
        Compiler(
            load_contract([default_contract()]), parse(KANNELLE_POLICY.replace("    gates: [backup]\n", ""))
        ).plans()


def test_every_service_has_a_flow() -> None:
    assert POLICY.flows == {
        "kannelle.privacy.v1.ActivityLogService/*": ("activity-log",),
        "kannelle.privacy.v1.AnalyticsService/*": ("analytics",),
        "kannelle.privacy.v1.SupportService/*": ("support", "support-archive"),
        "kannelle.account.v1.Account": ("accounts",),
        "kannelle.workspace.v1.Membership": ("workspace-directory",),
        "kannelle.project.v1.Project": ("project-backup",),
        "kannelle.project.v1.WebProject": ("web-projects",),
        "kannelle.asset.v1.BusinessAsset": ("business-assets",),
        "kannelle.support.v1.ErrorReport": ("support-archive",),
        "kannelle.billing.v1.Purchase": ("billing",),
        "kannelle.crm.v1.Subscription": ("billing",),
        "kannelle.engagement.v1.Engagement": ("professional-services",),
        "kannelle.communication.v1.Communication": ("communications",),
        "kannelle.identity.v1.SignIn": ("identity-provider",),
        "kannelle.crm.v1.Contact": ("crm",),
        "kannelle.video.v1.VideoExported": ("activity-log",),
        "kannelle.privacy.v1.AccessEntry": ("access-log",),
        "otlp/logs": ("application-log",),
        "otlp/traces": ("application-traces",),
        "otlp/metrics": ("application-metrics",),
    }


def test_every_recipient_is_fed() -> None:
    fed = {name for names in POLICY.flows.values() for name in names} | {route.destination for route in POLICY.routes}
    assert fed == set(POLICY.destinations)


def test_the_directory_knows_addresses_and_workspaces_alone() -> None:
    assert POLICY.destinations["workspace-directory"].allow == {Category.WORK_EMAIL, Category.OPERATIONAL}


def test_every_package_of_kannelles_services_may_be_elsewhere() -> None:
    types = [flow for flow in POLICY.flows if "/" not in flow and not flow.startswith("kannelle.privacy.")]
    assert {f"{name.rpartition('.')[0]}.*" for name in types} == set(POLICY.elsewhere)


@pytest.mark.parametrize("event", POLICY.tracking_plan)
def test_every_property_that_reaches_the_us_is_closed(event: str) -> None:
    for held in POLICY.tracking_plan[event].properties.values():
        assert held.category is Category.OPERATIONAL
        assert held.one_of or held.pattern or held.max or held.kind is PropertyType.BOOLEAN
