"""Kannelle's own services call each other through two gateways by mutual TLS, under the default policy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from gateway.contracts.contract import Contract
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load
from gateway.tls import Material
from tests.support.channels import TIMEOUT_SECONDS, status_of
from tests.support.gateway_process import GatewayProcess
from tests.support.kannelle_policy import KANNELLE_POLICY
from tests.support.proxied_calls import CallResult, invoke, proxy_channel
from tests.support.proxy_certificates import CA, OTHER_CA, certificate_for, dns, uri
from tests.support.recording_upstream import RecordingUpstream, answer_with
from tests.support.service_gateway import run_service_gateway

WEB: Final = "spiffe://kannelle.io/ns/web/sa/app"
STUDIO: Final = "spiffe://kannelle.io/ns/video/sa/studio"

AUTHORITIES: Final = tuple(
    dict.fromkeys(re.findall(r"authority: (\S+)", KANNELLE_POLICY)),
)

Fields = Mapping[str, object]

CONTACT: Final = {"userId": "usr_t41wz9", "fullName": "Léa Fontaine", "phoneNumber": "+33 1 99 00 02 34"}
GIVEN: Final = {**CONTACT, "workEmail": "Lea.Fontaine+kannelle@Halle-Nord.example"}
NORMALISED: Final = {**CONTACT, "workEmail": "lea.fontaine@halle-nord.example"}
DEVICE: Final = {"deviceId": "dev_5c1f77a0e9", "model": "MacBook Pro 14", "appVersion": "7.3.0"}
USAGE: Final = {"sessionId": "ses_7d02c4419e", "recentSearches": ["holiday photos of Bastien"]}
MEMBER: Final = {"workspaceId": "ws_hallenord", "workEmail": "lea.fontaine@halle-nord.example"}
PURCHASE: Final = {"purchaseId": "pur_1", "legalName": "Halle Nord S.A.R.L.", "payment": {"vatNumber": "FR40303265045"}}
INVOICED: Final = {"addressLines": ["3 rue des Tanneurs"], "postalCode": "59999", "locality": "Exempleville"}
LOGO: Final = {"assetId": "ast_1", "kind": "BUSINESS_ASSET_KIND_LOGO", "fileName": "halle-nord.svg", "content": "AAAA"}
ATTEMPT: Final = {"device": DEVICE, "network": {"ipAddress": "203.0.113.42"}, "outcome": "SIGN_IN_OUTCOME_FAILED"}
REPORT: Final = {"reference": "sup_4k2m9x7q1c", "userId": "usr_t41wz9", "device": DEVICE, "usage": USAGE}

CALLS: Final[Mapping[tuple[str, str], tuple[Fields, Fields, Fields, Fields]]] = {
    (WEB, "accounts kannelle.account.v1.AccountService/UpdateAccount"): (
        {"account": {**GIVEN, "devices": [DEVICE], "usage": USAGE}},
        {"account": {**NORMALISED, "devices": [DEVICE], "usage": USAGE}},
        {"account": {**NORMALISED, "devices": [DEVICE], "usage": USAGE}},
        {"account": {**NORMALISED, "devices": [{"appVersion": "7.3.0"}]}},
    ),
    (STUDIO, "workspaces kannelle.workspace.v1.WorkspaceService/AddMembership"): (
        {"membership": {**MEMBER, "role": "WORKSPACE_ROLE_EDITOR"}},
        {"membership": MEMBER},
        {"membership": {**MEMBER, "role": "WORKSPACE_ROLE_EDITOR"}},
        {"membership": {"workspaceId": "ws_hallenord", "role": "WORKSPACE_ROLE_EDITOR"}},
    ),
    (STUDIO, "projects kannelle.project.v1.ProjectService/GetProject"): (
        {"projectId": "prj_1"},
        {"projectId": "prj_1"},
        {"project": {"projectId": "prj_1", "ownerId": "lea.fontaine", "title": "Portrait of Elif Kaya"}},
        {"project": {"projectId": "prj_1", "title": "Portrait of Elif Kaya"}},
    ),
    (STUDIO, "assets kannelle.asset.v1.BusinessAssetService/GetBusinessAsset"): (
        {"assetId": "lea.fontaine@halle-nord.example"},
        {},
        {"businessAsset": {**LOGO, "uploaderId": "usr_t41wz9"}},
        {"businessAsset": LOGO},
    ),
    (WEB, "billing kannelle.billing.v1.BillingService/GetPurchase"): (
        {"purchaseId": "pur_1"},
        {"purchaseId": "pur_1"},
        {"purchase": {**PURCHASE, "buyer": GIVEN, "billingAddress": INVOICED}},
        {"purchase": {**PURCHASE, "buyer": {name: NORMALISED[name] for name in NORMALISED if name != "phoneNumber"}}},
    ),
    (WEB, "engagements kannelle.engagement.v1.EngagementService/CreateEngagement"): (
        {"engagement": {"engagementId": "eng_1", "companyName": "Halle Nord S.A.R.L.", "contact": GIVEN}},
        {"engagement": {"engagementId": "eng_1", "companyName": "Halle Nord S.A.R.L.", "contact": NORMALISED}},
        {"engagementId": "Léa Fontaine"},
        {},
    ),
    (STUDIO, "support kannelle.support.v1.ErrorReportService/SendErrorReport"): (
        {"errorReport": {**REPORT, "errorMessage": "no preview, call +33 1 99 00 07 89"}},
        {"errorReport": {**REPORT, "errorMessage": "no preview, call [PHONE]"}},
        {"reference": "sup_4k2m9x7q1c"},
        {"reference": "sup_4k2m9x7q1c"},
    ),
    (WEB, "sign-in kannelle.identity.v1.SignInService/AssessSignIn"): (
        {"signIn": {**ATTEMPT, "userId": "usr_t41wz9", "workEmail": "lea.fontaine@halle-nord.example"}},
        {"signIn": {**ATTEMPT, "userId": "usr_t41wz9", "workEmail": "lea.fontaine@halle-nord.example"}},
        {"advice": "SIGN_IN_ADVICE_CHALLENGE"},
        {"advice": "SIGN_IN_ADVICE_CHALLENGE"},
    ),
}
"""By caller and method: what is sent, what arrives, what is answered, what comes back."""

NOT_LISTED: Final = (
    (STUDIO, "accounts kannelle.account.v1.AccountService/GetAccount"),
    (STUDIO, "billing kannelle.billing.v1.BillingService/GetPurchase"),
    (STUDIO, "sign-in kannelle.identity.v1.SignInService/AssessSignIn"),
    (WEB, "communications kannelle.communication.v1.CommunicationService/SendCommunication"),
    (WEB, "projects kannelle.project.v1.ProjectService/BackUpProject"),
)
"""Calls that their callers have no business with."""


@cache
def contract() -> Contract:
    return load([default_contract()])


def message(method: str, fields: Fields, *, answer: bool = False) -> Message:
    service, _, name = method.partition("/")
    found = contract().pool.FindServiceByName(service).methods_by_name[name]
    made = contract().message_class((found.output_type if answer else found.input_type).full_name)()
    return ParseDict(dict(fields), made, descriptor_pool=contract().pool)


def policy(outbound: str, inbound: int) -> str:
    """The default policy, whose calls go to a gateway on this machine, and from there to one service."""
    text = KANNELLE_POLICY.replace("127.0.0.1:50051", f"127.0.0.1:{inbound}")
    return re.sub(r"dns:///[a-z-]+\.kannelle\.svc:14006", f"dns:///{outbound}", text)


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def callee(upstream: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """The gateway beside the service that is called, whichever of them it is."""
    folder, text = tmp_path_factory.mktemp("callee"), policy("127.0.0.1:1", upstream.port)
    names = ("localhost", *AUTHORITIES)
    with run_service_gateway(folder, text, "spiffe://kannelle.io/ns/any/sa/any", "inbound", names) as process:
        yield process


@pytest.fixture(scope="module")
def callers(callee: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, GatewayProcess]]:
    """The gateways beside those who call."""
    text, folder = policy(callee.listener_address("inbound"), 1), tmp_path_factory.mktemp("callers")
    with (
        run_service_gateway(folder / "web", text, WEB, "outbound", ["web.kannelle.svc"]) as web,
        run_service_gateway(folder / "studio", text, STUDIO, "outbound", ["studio.kannelle.svc"]) as studio,
    ):
        yield {WEB: web, STUDIO: studio}


def call(address: str, name: str, sent: bytes, held: Material | None = None) -> CallResult:
    """Call a method of a service, each by its name."""
    authority, _, method = name.partition(" ")
    with proxy_channel(address, f"{authority}.kannelle.svc", held) as channel:
        return invoke(channel, f"/{method}", sent)


@pytest.mark.parametrize(("caller", "name"), CALLS)
def test_a_call_between_kannelles_services_loses_what_it_should_on_both_ways(
    caller: str, name: str, callers: Mapping[str, GatewayProcess], upstream: RecordingUpstream
) -> None:
    method, (sent, arrived, answer, returned) = name.partition(" ")[2], CALLS[caller, name]
    with upstream.scripted(answer_with(message(method, answer, answer=True).SerializeToString())) as seen:
        told = call(callers[caller].listener_address("outbound"), name, message(method, sent).SerializeToString())
    assert (told.code, len(told.answers), len(seen)) == (grpc.StatusCode.OK, 1, 1)
    expected, back = message(method, arrived), message(method, returned, answer=True)
    assert [type(expected).FromString(raw) for raw in seen[0].messages] == [expected]
    assert [type(back).FromString(raw) for raw in told.answers] == [back]


@pytest.mark.parametrize(("caller", "name"), NOT_LISTED)
def test_who_has_no_business_with_a_service_is_refused_by_both_gateways(
    caller: str,
    name: str,
    callers: Mapping[str, GatewayProcess],
    callee: GatewayProcess,
    upstream: RecordingUpstream,
) -> None:
    with upstream.scripted(answer_with()) as seen:
        own = call(callers[caller].listener_address("outbound"), name, b"")
        other = call(callee.listener_address("inbound"), name, b"", certificate_for(uri(caller)))
    assert (own.code, other.code, seen) == (*(grpc.StatusCode.PERMISSION_DENIED,) * 2, [])


MEMBERSHIP: Final = "workspaces kannelle.workspace.v1.WorkspaceService/ListMemberships"


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (certificate_for(uri(STUDIO)), grpc.StatusCode.OK),
        (certificate_for(uri("spiffe://kannelle.io/ns/video/sa/studio2")), grpc.StatusCode.PERMISSION_DENIED),
        (certificate_for(uri("spiffe://kannelle.example/ns/video/sa/studio")), grpc.StatusCode.PERMISSION_DENIED),
        (certificate_for(dns("studio.kannelle.svc")), grpc.StatusCode.PERMISSION_DENIED),
        (certificate_for(), grpc.StatusCode.PERMISSION_DENIED),
        (certificate_for(uri(STUDIO), uri(WEB)), grpc.StatusCode.PERMISSION_DENIED),
        (certificate_for(uri(STUDIO), ca=OTHER_CA), grpc.StatusCode.UNAVAILABLE),
        (Material(b"", b"", CA.certificate), grpc.StatusCode.UNAVAILABLE),
        (None, grpc.StatusCode.UNAVAILABLE),
    ],
    ids=["right", "another", "another's trust domain", "a host", "nobody", "two at once", "forged", "none", "no TLS"],
)
def test_only_the_right_certificate_reaches_a_service(
    held: Material | None, code: grpc.StatusCode, callee: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(b"")) as seen:
        told = call(callee.listener_address("inbound"), MEMBERSHIP, b"", held)
    assert (told.code, len(seen)) == (code, int(code is grpc.StatusCode.OK))


def test_a_gateway_starts_before_those_that_it_will_call(tmp_path: Path) -> None:
    text = policy("nowhere.invalid:14006", 1)
    with run_service_gateway(tmp_path, text, STUDIO, "outbound", ["studio.kannelle.svc"]) as process:
        authority, _, method = MEMBERSHIP.partition(" ")
        with proxy_channel(process.listener_address("outbound"), f"{authority}.kannelle.svc") as channel:
            ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{method}")
            with pytest.raises(grpc.RpcError) as caught:
                ask(b"", timeout=TIMEOUT_SECONDS)
    told = status_of(caught.value)
    assert (told.code, told.reason) == (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNRESOLVED")
