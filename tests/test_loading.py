"""What is read and watched at the start: what the policy names, however it is written, and what its routes need."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from kannelle.privacy.v1 import emit_pb2

from gateway.app import Gateway
from gateway.cli.sources import load_unapproved
from gateway.config import Config, Inbound, Listeners, Local, Outbound, Reload, Tls
from gateway.contracts.approvals import write_approvals
from gateway.contracts.contract import Contract
from gateway.contracts.field_types import approvals_of
from gateway.errors import BadConfig
from gateway.exporters.jsonl.exporter import JsonlExporter
from gateway.loading import PolicyFiles, PolicyLoader, compile_all, load_sources
from gateway.policy.load import PolicyFile, parse
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS
from tests.support.contracts import contract, proto
from tests.support.fake_delivery import FakeDelivery

HEAD: Final = """\
version: 1
controller: C
user_id: {pattern: "usr_[a-z]{1,8}"}
ceilings: {FR: [USER_ID, OPERATIONAL, NAME]}
flows: {t.A: [to]}
"""
TO: Final = (
    "to: {recipient: store, region: FR, purpose: sales, legal_basis: CONTRACT, retention: 1d, allow: [OPERATIONAL, "
    "NAME]"
)
POLICY: Final = f"{HEAD}destinations:\n  {TO}}}\n"

NOTATIONS: Final[dict[str, tuple[str, str]]] = {
    "plain": ("approvals: a.lock\n", "a.lock"),
    "the key in quotes": ('"approvals": a.lock\n', "a.lock"),
    "the key in single quotes": ("'approvals': a.lock\n", "a.lock"),
    "a space before the colon": ("approvals : a.lock\n", "a.lock"),
    "on the next line": ("approvals:\n  a.lock\n", "a.lock"),
    "on the next line but one": ("approvals:\n\n  # here:\n\n  a.lock\n", "a.lock"),
    "a path with a space": ("approvals: my approvals.lock\n", "my approvals.lock"),
    "a path with spaces, in quotes": ('approvals: "my  approvals.lock"\n', "my  approvals.lock"),
    "a path with #": ("approvals: a#b.lock\n", "a#b.lock"),
    "escaped": ('approvals: "\\x61.lock"\n', "a.lock"),
    "a block": ("approvals: >-\n  a.lock\n", "a.lock"),
    "a comment behind": ("approvals: a.lock # b.lock\n", "a.lock"),
    "a comment that looks like it before": ("# approvals: b.lock\napprovals: a.lock\n", "a.lock"),
    "a folder": ("approvals: sub/a.lock\n", "sub/a.lock"),
    "an absolute path": ("approvals: /etc/a.lock\n", "/etc/a.lock"),
    "a word that YAML 1.1 knows": ("approvals: on\n", "on"),
}


def watched(folder: Path, policy: str, in_force: frozenset[Path] = frozenset()) -> set[Path]:
    """The files that a policy names, beside it and the contracts."""
    (folder / "policy.yaml").write_text(policy)
    config = Config(policy=folder / "policy.yaml", contracts=(folder / "protos",))
    found = PolicyFiles(config).paths(in_force)
    assert found >= {folder / "policy.yaml", folder / "protos"}
    return {*found} - {folder / "policy.yaml", folder / "protos"}


@pytest.mark.parametrize("row", NOTATIONS)
def test_the_approvals_that_the_policy_names_are_watched_however_it_is_written(row: str, tmp_path: Path) -> None:
    text, name = NOTATIONS[row]
    assert watched(tmp_path, text + POLICY) == {tmp_path / name}


def test_a_policy_in_one_line_is_read_too(tmp_path: Path) -> None:
    to = TO.removeprefix("to: ")
    policy = (
        f'{{version: 1, controller: C, user_id: {{pattern: "usr_"}}, flows: {{}}, destinations: {{to: {to}}}}}, '
        f"approvals: a.lock}}"
    )
    assert watched(tmp_path, policy) == {tmp_path / "a.lock"}


NOTHING: Final = ("", "# approvals: a.lock\n", "approvals: null\n", "approvals: ~\n")


@pytest.mark.parametrize("text", NOTHING)
def test_what_names_no_file_is_none(text: str, tmp_path: Path) -> None:
    assert watched(tmp_path, text + POLICY) == set()


EXPORTERS: Final = (
    "{kind: otlp, endpoint: 'https://a.example:4317', ca: /etc/ca.pem}",
    "{kind: webhook, endpoint: 'https://a.example/in', secret: {file: /run/secret}, ca: /etc/ca.pem}",
    "{kind: segment, endpoint: 'https://api.segment.io', write_key: {env: KEY}, items: {}, ca: '/etc/ca.pem'}",
)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_the_certificates_that_exporters_trust_are_watched(exporter: str, tmp_path: Path) -> None:
    """Credentials needn't be: they are read whenever they are used."""
    assert watched(tmp_path, f"{HEAD}destinations:\n  {TO}, exporter: {exporter}}}\n") == {Path("/etc/ca.pem")}


BROKEN: Final[dict[str, tuple[str, set[str]]]] = {
    "no YAML": ("approvals: [a.lock", {"before"}),
    "two documents": ("approvals: a.lock\n---\nversion: 1\n", {"before"}),
    "a key that there isn't": (f"approvals: a.lock\nnonsense: 1\n{POLICY}", {"before", "a.lock"}),
    "a key twice": (f"approvals: a.lock\napprovals: b.lock\n{POLICY}", {"before"}),
    "not what it should be": (f"approvals: {{a: b}}\n{POLICY}", {"before"}),
    "destinations that are a list": ("approvals: a.lock\ndestinations: [a]\n", {"before", "a.lock"}),
    "empty": ("", {"before"}),
    "sound": (f"approvals: a.lock\n{POLICY}", {"a.lock"}),
}


@pytest.mark.parametrize("row", BROKEN)
def test_of_a_broken_policy_what_can_be_read_is_watched_and_what_is_in_force(row: str, tmp_path: Path) -> None:
    text, names = BROKEN[row]
    assert watched(tmp_path, text, frozenset({tmp_path / "before"})) == {tmp_path / name for name in names}


@pytest.mark.parametrize(
    ("meanwhile", "later", "watched"),
    [(POLICY, POLICY, False), (POLICY, "version: 1\n", True), ("version: 1\n", "version: 1\n", True)],
)
def test_a_policy_that_was_loaded_counts_as_valid_until_its_file_is_another(
    meanwhile: str, later: str, watched: bool, tmp_path: Path
) -> None:
    policy, in_force = tmp_path / "policy.yaml", Path("/in/force")

    def source(config: Config) -> tuple[PolicyFile, Contract]:
        loaded = load_sources(config)
        _write_if_other(policy, meanwhile)
        return loaded

    policy.write_text(POLICY)
    loader = PolicyLoader(Config(policy=policy), source)
    loader.load()
    _write_if_other(policy, later)
    assert (in_force in loader.files.paths(frozenset({in_force}))) == watched


def _write_if_other(path: Path, text: str) -> None:
    if path.read_text() != text:
        path.write_text(text)


def test_a_policy_that_is_gone_leaves_what_is_in_force(tmp_path: Path) -> None:
    files, in_force = PolicyFiles(Config(policy=tmp_path / "policy.yaml")), frozenset({tmp_path / "a.lock"})
    assert tmp_path / "a.lock" in files.paths(in_force)
    (tmp_path / "policy.yaml").write_text(f"approvals: b.lock\n{POLICY}")
    assert {path.name for path in files.paths(in_force)} & {"a.lock", "b.lock"} == {"b.lock"}


# In a running gateway.

PROTO: Final = proto("message A { string op = 1 @OPERATIONAL; string name = 2 @NAME; }")
OTHER: Final = contract(PROTO)
ITEM: Final = b"\x0a\x01o\x12\x04Anna"
EMIT: Final = "/kannelle.privacy.v1.EmitService/Emit"


@pytest.mark.parametrize("row", [row for row, (_, name) in NOTATIONS.items() if not name.startswith("/")])
async def test_a_revoked_approval_is_noticed(row: str, tmp_path: Path) -> None:
    text, name = NOTATIONS[row]
    (tmp_path / "sub").mkdir()
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos" / "a.proto").write_text(PROTO)
    (tmp_path / "policy.yaml").write_text(text + POLICY)
    claims = load_unapproved([tmp_path / "protos"], tmp_path / "policy.yaml")[0].claims
    write_approvals(tmp_path / name, approvals_of(OTHER, claims))
    config = Config(
        policy=tmp_path / "policy.yaml",
        contracts=(tmp_path / "protos",),
        state=tmp_path / "state",
        listeners=Listeners(local=Local(address="127.0.0.1:0"), local_http=None),
        reload=Reload(every=0.02),
    )
    gateway = Gateway(config, gate := FakeDelivery())
    address = (await gateway.start())["local"]
    try:
        assert await emitted(address, gate) == ITEM
        revoked = {field: claim for field, claim in claims.items() if field != "t.A.name"}
        write_approvals(tmp_path / name, approvals_of(OTHER, revoked))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while await emitted(address, gate) != ITEM[:3]:
                pass
    finally:
        await gateway.stop()


class Opening:
    """Holds what opens exporters until it is told to go on."""

    def __init__(self, gateway: Gateway) -> None:
        self.reached, self.may = threading.Event(), threading.Event()
        recipients = gateway._parts.switch.opener.recipients
        self._open = recipients.open
        recipients.open = self  # type: ignore[assignment, method-assign]

    def __call__(self, *given: Any) -> Any:
        opened = self._open(*given)
        self.reached.set()
        assert self.may.wait(TIMEOUT_SECONDS)
        return opened


async def test_a_stop_while_exporters_are_opened_leaves_no_file_taken(tmp_path: Path) -> None:
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos" / "a.proto").write_text(PROTO)
    (tmp_path / "policy.yaml").write_text(POLICY)
    config = Config(
        policy=tmp_path / "policy.yaml",
        contracts=(tmp_path / "protos",),
        state=tmp_path / "state",
        listeners=Listeners(local=Local(address="127.0.0.1:0"), local_http=None),
    )
    gateway = Gateway(config)
    await gateway.start()
    opening = Opening(gateway)
    (tmp_path / "policy.yaml").write_text(POLICY.replace(TO, f"{TO}, exporter: {{kind: jsonl, path: new.jsonl}}"))
    gateway.reload()
    assert await asyncio.to_thread(opening.reached.wait, TIMEOUT_SECONDS)
    stopping = asyncio.create_task(gateway.stop())
    await asyncio.sleep(0)
    opening.may.set()
    await asyncio.wait_for(stopping, TIMEOUT_SECONDS)
    for name in ("new.jsonl", "to.jsonl"):
        await JsonlExporter.open(str(tmp_path / "state" / name), OTHER.message_class).close()


async def emitted(address: str, gate: FakeDelivery) -> bytes:
    """What leaves of an item."""
    request = emit_pb2.EmitRequest(item=AnyMessage(type_url="type.googleapis.com/t.A", value=ITEM)).SerializeToString()
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        method: Any = channel.unary_unary(EMIT)
        await method(request, timeout=TIMEOUT_SECONDS)
    return gate.releases[-1].payload


REMOTE: Final = 'upstream: "dns:///b.example:14006"'
NEAR: Final = 'upstream: ["127.0.0.1:50051"], plaintext: true'
OUTBOUND, INBOUND = Listeners(outbound=Outbound()), Listeners(inbound=Inbound())
CERTIFIED: Final = Tls(certificate=Path("a"), key=Path("b"), ca=Path("c"))


def routed(more: str, listeners: Listeners, tls: Tls | None) -> None:
    """Load a policy with one route, for a gateway with these listeners."""
    route = f"routes:\n  - {{authority: b.example, destination: to, {more}}}\n"
    compile_all(Config(listeners=listeners, tls=tls), parse(POLICY + route), OTHER)


@pytest.mark.parametrize(
    ("route", "listeners", "tls"),
    [
        (REMOTE, Listeners(), None),
        (REMOTE, INBOUND, None),
        (f"listener: inbound, {REMOTE}", OUTBOUND, None),
        (NEAR, OUTBOUND, None),
        (REMOTE, OUTBOUND, CERTIFIED),
    ],
    ids=["no listener", "another listener", "another listener's", "plaintext on this machine", "with certificates"],
)
def test_a_route_needs_certificates_only_where_its_listener_is_on(
    route: str, listeners: Listeners, tls: Tls | None
) -> None:
    routed(route, listeners, tls)


@pytest.mark.parametrize(("route", "listeners"), [(REMOTE, OUTBOUND), (f"listener: inbound, {REMOTE}", INBOUND)])
def test_without_certificates_no_call_leaves_the_machine(route: str, listeners: Listeners) -> None:
    name = "outbound" if listeners is OUTBOUND else "inbound"
    with pytest.raises(
        BadConfig, match=rf"^tls: is required, for listeners\.{name} is on, and the policy's route to b"
    ):
        routed(route, listeners, None)
