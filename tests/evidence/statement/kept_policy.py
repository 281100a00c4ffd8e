"""A policy with each kind of recipient that the statement speaks of, which keeps all of it; and changes to make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

import msgspec

from gateway.contracts.contract import Contract
from gateway.evidence.statement.table import Statement, check_statement
from gateway.model import Category
from gateway.policy.compile import Compiler
from gateway.policy.document import Policy
from gateway.policy.load import PolicyFile, parse, problems
from tests.support.contracts import NOW_SECONDS, contract, proto

Change = Callable[[Policy], Policy]

_HEADER: Final = """\
syntax = "proto3";
package kannelle.{name}.v1;
import "kannelle/privacy/v1/annotations.proto";
import "google/protobuf/timestamp.proto";
"""
_PERSON: Final = "string user_id = 1 @USER_ID; string work_email = 2 @WORK_EMAIL; string full_name = 3 @NAME;"
_CUSTOMER: Final = f"{_PERSON} string device = 4 @DEVICE; google.protobuf.Timestamp since = 5 @OPERATIONAL;"

PROTOS: Final = {
    "workspace": "message Membership { string work_email = 1 @WORK_EMAIL; string role = 2 @ORGANISATION;"
    " string workspace_id = 3 @{category: OPERATIONAL, pattern: 'ws_[A-Za-z0-9]{1,32}'}; }",
    "account": f"message Account {{ {_PERSON} string phone = 4 @PHONE; string device = 5 @DEVICE; string seen = 6 @USAGE;"
    " string company = 7 @ORGANISATION; }"
    " service AccountService { rpc GetAccount(Account) returns (Account); }",
    "asset": "message BusinessAsset { string uploader_id = 1 @USER_ID; bytes content = 2 @CONTENT; }",
    "project": "message Project { string owner_id = 1 @USER_ID; string title = 2 @CONTENT; }"
    " message WebProject { string owner_id = 1 @USER_ID; string title = 2 @CONTENT; }",
    "engagement": f"message Engagement {{ {_PERSON} string usage = 4 @USAGE; }}",
    "communication": f"message Communication {{ {_PERSON} string usage = 4 @USAGE; }}",
    "identity": f"message SignIn {{ {_PERSON} string ip = 4 @NETWORK; string device = 5 @DEVICE; string cookie = 6 @COOKIE; }}",
    "billing": f"message Purchase {{ {_PERSON} string order = 4 @PAYMENT; string address = 5 @POSTAL_ADDRESS;"
    " string usage = 6 @USAGE; }",
    "crm": f"message Contact {{ {_CUSTOMER} }}",
    # Messages of no kind that the statement knows.
    "other": f"message Contact {{ {_CUSTOMER} }}",
}  # fmt: skip

_IN_FRANCE: Final = (
    "USER_ID, WORK_EMAIL, OPERATIONAL, NAME, PHONE, DEVICE, NETWORK, ORGANISATION, USAGE, CONTENT, FREE_TEXT, COOKIE, "
    "PAYMENT, POSTAL_ADDRESS"
)


def _destination(name: str, recipient: str, region: str, purpose: str, allow: str, *, retention: str = "3y") -> str:
    return (
        f"  {name}: {{recipient: {recipient}, region: {region}, purpose: {purpose}, legal_basis: CONTRACT, "
        f"allow: [{allow}], retention: {retention}}}\n"
    )


CALLER: Final = "spiffe://kannelle.example/ns/video/sa/editor"
INDIRECT: Final = "USER_ID, WORK_EMAIL, OPERATIONAL"
POLICY: Final = (
    f"""\
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[A-Za-z0-9]{{1,32}}"}}
identifiers: ["ws_[A-Za-z0-9]{{1,32}}", "sup_[a-z0-9]{{8,32}}"]
timestamps: {{days_around_receipt: 7}}
ceilings:
  FR: [{_IN_FRANCE}]
  BE: [{_IN_FRANCE.replace("CONTENT, ", "")}]
  DE: [{INDIRECT}, NAME, PHONE, ORGANISATION]
  US: [{INDIRECT}]
flows:
  kannelle.privacy.v1.ActivityLogService/*: [activity-log]
  otlp/logs: [application-log]
  kannelle.privacy.v1.AnalyticsService/*: [analytics]
  kannelle.privacy.v1.SupportService/*: [support, support-archive]
  kannelle.workspace.v1.Membership: [directory]
  kannelle.account.v1.Account: [accounts]
  kannelle.asset.v1.BusinessAsset: [assets]
  kannelle.project.v1.WebProject: [web-projects]
  kannelle.engagement.v1.Engagement: [professional-services]
  kannelle.communication.v1.Communication: [communications]
  kannelle.identity.v1.SignIn: [identity-provider]
  kannelle.billing.v1.Purchase: [billing]
  kannelle.crm.v1.Contact: [crm]
tracking_plan: {{video.exported: {{properties: {{codec: {{one_of: [h264, hevc]}}, seconds: {{min: 0, max: 86400}}}}}}}}
otlp: {{attributes: {{user.id: USER_ID, user.email: WORK_EMAIL, service.name: OPERATIONAL, "service.*": OPERATIONAL}}}}
routes:
  - authority: accounts.kannelle.svc
    upstream: dns:///accounts:14006
    destination: accounts
    methods: [kannelle.account.v1.AccountService/*]
    callers: {{"{CALLER}": {{region: FR, allow: [USER_ID, OPERATIONAL]}}}}
destinations:
"""
    + _destination("activity-log", "log", "FR", "essential.service.security", INDIRECT)
    + _destination("application-log", "log", "FR", "essential.service.operations", INDIRECT)
    + _destination("analytics", "vendor", "US", "analytics.reporting.system", INDIRECT)
    + _destination("support", "vendor", "US", "essential.service.operations.support", INDIRECT)
    + _destination("support-archive", "store", "FR", "essential.service.operations.support", f"{INDIRECT}, NAME, FREE_TEXT")
    + _destination("directory", "store", "FR", "essential.service", "WORK_EMAIL, OPERATIONAL")
    + _destination("accounts", "service", "FR", "essential.service", f"{INDIRECT}, NAME, PHONE, DEVICE, USAGE")
    + _destination("assets", "store", "FR", "functional.service", "USER_ID, OPERATIONAL, CONTENT")
    + _destination("web-projects", "store", "FR", "functional.service", "USER_ID, OPERATIONAL, CONTENT")
    + _destination("professional-services", "service", "FR", "essential.service", f"{INDIRECT}, NAME")
    + _destination("communications", "service", "FR", "essential.service.notifications", f"{INDIRECT}, NAME")
    + _destination("identity-provider", "service", "BE", "essential.service.authentication", f"{INDIRECT}, NETWORK, DEVICE")
    + _destination("billing", "service", "FR", "essential.service.payment_processing",
                   f"{INDIRECT}, NAME, PAYMENT, POSTAL_ADDRESS", retention="10y")
    + _destination("crm", "service", "DE", "sales", f"{INDIRECT}, NAME")
)  # fmt: skip


@cache
def held_contract() -> Contract:
    """The contract of all those types."""
    return contract(*(proto(body, _HEADER.format(name=name)) for name, body in PROTOS.items()))


@cache
def kept_file() -> PolicyFile:
    """The policy."""
    return parse(POLICY)


def check(change: Change = lambda policy: policy) -> Statement:
    """The table under the changed policy. Raises BadPolicy if it doesn't load."""
    file = kept_file()
    changed = change(file.policy)
    file.origin.check(problems(changed))
    held = Compiler(held_contract(), replace(file, policy=changed))
    return check_statement(held, file.origin, "the changed policy", NOW_SECONDS * 10**9)


def destination(name: str, **changes: object) -> Change:
    """Change what the policy says of a destination."""

    def changed(policy: Policy) -> Policy:
        one = msgspec.structs.replace(policy.destinations[name], **changes)
        return msgspec.structs.replace(policy, destinations={**policy.destinations, name: one})

    return changed


def allowed(name: str, *more: Category) -> Change:
    """Let a destination receive more, and its region's ceiling too."""

    def changed(policy: Policy) -> Policy:
        one = policy.destinations[name]
        ceilings = {**policy.ceilings, one.region: policy.ceilings[one.region] | {*more}}
        wider = msgspec.structs.replace(policy, ceilings=ceilings)
        return destination(name, allow=one.allow | {*more})(wider)

    return changed


def another(name: str, like: str, **changes: object) -> Change:
    """Add a destination that is like another one, but for some changes, and feed it with what no kind is known of."""

    def changed(policy: Policy) -> Policy:
        one = msgspec.structs.replace(policy.destinations[like], **changes)
        flows = {**policy.flows, "kannelle.other.v1.Contact": (name,)}
        return msgspec.structs.replace(policy, destinations={**policy.destinations, name: one}, flows=flows)

    return changed


def flow(key: str, *names: str) -> Change:
    """Lead items of a flow elsewhere."""
    return lambda policy: msgspec.structs.replace(policy, flows={**policy.flows, key: names})


def route(**changes: object) -> Change:
    """Change what the policy says of its one route."""

    def changed(policy: Policy) -> Policy:
        (one,) = policy.routes
        return msgspec.structs.replace(policy, routes=(msgspec.structs.replace(one, **changes),))

    return changed


def caller(**changes: object) -> Change:
    """Change what the policy says of the one caller of its one route."""

    def changed(policy: Policy) -> Policy:
        one = policy.routes[0].callers[CALLER]
        return route(callers={CALLER: msgspec.structs.replace(one, **changes)})(policy)

    return changed


def document(**changes: object) -> Change:
    """Change keys at the top of the policy."""
    return lambda policy: msgspec.structs.replace(policy, **changes)


def both(*changes: Change) -> Change:
    """Make changes one after the other."""

    def changed(policy: Policy) -> Policy:
        for change in changes:
            policy = change(policy)
        return policy

    return changed
