"""Exporters as a policy wants them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trustme

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.errors import BadConfig
from gateway.exporters.base import DELIVERED, Exporter
from gateway.exporters.http_client import HttpClient
from gateway.exporters.jsonl.exporter import JsonlExporter
from gateway.exporters.pool import ExporterPool
from gateway.exporters.segment.exporter import SegmentExporter
from gateway.policy.document import Policy
from gateway.policy.load import default_path, parse
from gateway.standins import SegmentStandIn, ZendeskStandIn
from tests.exporters.sending import event, message
from tests.support.contracts import contract, proto

KANNELLE: Final = load_contracts([default_contract()])
Make = Callable[[bool], ExporterPool]

HEAD: Final = """\
version: 1
controller: C
user_id: {pattern: "usr_[a-z]{1,8}"}
flows: {kannelle.privacy.v1.AnalyticsService/*: [to]}
hosts: {US: [acme.zendesk.com, 10.0.0.1], FR: [logs.acme.example]}
destinations:
  to:
    recipient: vendor
    region: US
    purpose: sales
    legal_basis: CONTRACT
    retention: 1d
    allow: [OPERATIONAL]
"""


def of(pool: ExporterPool, policy: Policy) -> Mapping[str, Exporter]:
    """A policy's exporters, in use."""
    return pool.adopt(pool.open(policy, KANNELLE))


def policy(exporter: str) -> Policy:
    """A policy with this exporter; one of OTLP takes a log, which stands in the EU."""
    head = HEAD.replace("kannelle.privacy.v1.AnalyticsService/*", "otlp/logs").replace("region: US", "region: FR")
    return parse(f"{head if 'kind: otlp' in exporter else HEAD}    exporter: {exporter}\n").policy


SEGMENT: Final = (
    "{kind: segment, endpoint: 'https://api.segment.io', write_key: {env: WRITE_KEY}, items: {t.A: {event: a}}}"
)


@pytest.fixture
async def make(tmp_path: Path, secrets: None) -> AsyncIterator[Make]:
    made: list[HttpClient] = []

    def pool(insecure_loopback: bool) -> ExporterPool:
        made.append(HttpClient(insecure_loopback=insecure_loopback))
        return ExporterPool(tmp_path, made[-1], insecure_loopback)

    yield pool
    for http in made:
        await http.close()


async def test_an_exporter_of_which_nothing_changed_is_kept(make: Make) -> None:
    pool = make(False)
    first = of(pool, policy(SEGMENT))["to"]
    assert isinstance(first, SegmentExporter)
    assert of(pool, policy(SEGMENT))["to"] is first
    assert of(pool, policy(SEGMENT.replace("event: a", "event: b")))["to"] is not first


@pytest.mark.parametrize(
    "kind",
    [
        "otlp, endpoint: 'http://127.0.0.1:4317'",
        "segment, endpoint: 'http://127.0.0.1:8080', write_key: {env: WRITE_KEY}, items: {t.A: {event: a}}",
        "segment, endpoint: 'https://localhost:8080', write_key: {env: WRITE_KEY}, items: {t.A: {event: a}}",
        (
            "mixpanel, endpoint: 'http://127.0.0.1:8080', project_id: 7, username: {env: USERNAME}, password: {env: "
            "PASSWORD}, items: {}"
        ),
        "zendesk, endpoint: 'http://127.0.0.1:8080', oauth: {env: OAUTH}, items: {}",
        "webhook, endpoint: 'http://127.0.0.1:8080/in', secret: {env: SIGNING}",
    ],
)
async def test_this_machine_is_reached_only_where_that_is_allowed(make: Make, kind: str) -> None:
    wanted = policy(f"{{kind: {kind}}}")
    with pytest.raises(BadConfig, match=r"^destinations\.to\.exporter\.endpoint: .*insecure_loopback: true"):
        of(make(False), wanted)
    (exporter,) = of(make(True), wanted).values()
    await exporter.close()


async def test_what_was_opened_in_vain_is_closed(make: Make) -> None:
    pool, given = make(False), {"first": SEGMENT, "to": SEGMENT.replace("WRITE_KEY", "NO_SUCH_KEY")}
    wanted = policy(SEGMENT)
    both = {
        name: msgspec.structs.replace(wanted.destinations["to"], exporter=policy(said).destinations["to"].exporter)
        for name, said in given.items()
    }
    with pytest.raises(BadConfig):
        of(pool, msgspec.structs.replace(wanted, destinations=both, flows={"otlp/logs": ("first", "to")}))
    assert isinstance(of(pool, wanted)["to"], SegmentExporter)


async def test_a_private_address_is_never_reached(make: Make) -> None:
    wanted = policy("{kind: webhook, endpoint: 'https://10.0.0.1/in', secret: {env: SIGNING}}")
    for insecure_loopback in (False, True):
        with pytest.raises(BadConfig, match=r"^destinations\.to\.exporter\.endpoint: "):
            of(make(insecure_loopback), wanted)


@pytest.mark.parametrize(
    ("exporter", "expected"),
    [
        (SEGMENT.replace("WRITE_KEY", "NO_SUCH_KEY"), "write_key: the environment has no NO_SUCH_KEY"),
        (SEGMENT.replace("env: WRITE_KEY", "file: /none"), ("write_key: /none: can't be read: No such file or "
                                                           "directory")),
        (SEGMENT.replace("items", "ca: /none, items"), "ca: /none: can't be read: No such file or directory"),
        ("{kind: webhook, endpoint: 'https://acme.zendesk.com/in', secret: {env: WRITE_KEY}}",
         "secret: must be whsec_ and base64 of 24 to 64 bytes"),
    ],
)  # fmt: skip
async def test_what_cannot_work_is_named_at_the_start(make: Make, exporter: str, expected: str) -> None:
    with pytest.raises(BadConfig) as caught:
        of(make(False), policy(exporter))
    assert str(caught.value) == f"destinations.to.exporter.{expected}"


async def test_the_recommended_exporters_send_what_the_vendors_take(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SEGMENT_WRITE_KEY": SegmentStandIn.write_key,
        "ZENDESK_EMAIL": ZendeskStandIn.email,
        "ZENDESK_TOKEN": ZendeskStandIn.token,
    }.items():
        monkeypatch.setenv(name, value)
    async with SegmentStandIn() as segment, ZendeskStandIn() as zendesk:
        text = re.sub(r"(?m)^    # (?=exporter:|  )", "    ", default_path().read_text(encoding="utf-8"))
        text = text.replace("https://api.segment.io", segment.url).replace("https://kannelle.zendesk.com", zendesk.url)
        wanted = parse(
            re.sub(
                r"(?ms)^flows:\n.*?^\n", "flows: {kannelle.privacy.v1.AnalyticsService/*: [analytics, support]}\n", text
            )
        ).policy
        exporters = of(make(True), wanted)
        assert await exporters["analytics"].send([event(1), event(2, user_id="")]) == [DELIVERED] * 2
        assert await exporters["support"].send([message(1), message(2, work_email="")]) == [DELIVERED] * 2
    assert (len(segment.accepted), len(zendesk.accepted)) == (2, 2)
    assert segment.violations == zendesk.violations == []


async def test_a_log_is_kept_for_as_long_as_the_policy_says_now(make: Make) -> None:
    """Without being opened again: it holds its file's lock."""
    pool = make(False)
    log, same = (
        of(pool, parse(HEAD.replace("1d", kept) + "    exporter: {kind: jsonl}\n").policy)["to"]
        for kept in ("30d", "7d")
    )
    assert isinstance(log, JsonlExporter)
    assert log is same
    assert log.writer.sink.rotation.retention == timedelta(days=7)
    await log.close()


JSONL: Final = "{{kind: jsonl, path: {}}}"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("link.jsonl", "STATE/link.jsonl: is a symbolic link"),
        ("locked.jsonl", "STATE/locked.jsonl.lock: is a symbolic link"),
        ("STATE/link.jsonl", "STATE/link.jsonl: is a symbolic link"),
        ("STATE/keys/x.jsonl", "STATE/keys/x.jsonl: must be in the state folder itself, or outside it"),
        (
            "STATE/outbox.db-wal/x.jsonl",
            "STATE/outbox.db-wal/x.jsonl: must be in the state folder itself, or outside it",
        ),
        (
            "ELSEWHERE/back/plans.json.new/x.jsonl",
            "ELSEWHERE/back/plans.json.new/x.jsonl: must be in the state folder itself, or outside it",
        ),
    ],
)
async def test_a_file_is_where_its_path_says(given: str, fault: str, tmp_path: Path, secrets: None) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    for folder in (state, elsewhere):
        folder.mkdir()
    (state / "keys").write_bytes(SECRET)
    for link in ("link.jsonl", "locked.jsonl.lock"):
        (state / link).symlink_to(state / "keys")
    (elsewhere / "back").symlink_to(state)
    path, said = (text.replace("STATE", str(state)).replace("ELSEWHERE", str(elsewhere)) for text in (given, fault))
    pool = ExporterPool(state, HttpClient(), False)
    with pytest.raises(BadConfig, match=f"^{re.escape(f'destinations.to.exporter.path: {said}')}$"):
        of(pool, policy(JSONL.format(path)))
    assert (state / "keys").read_bytes() == SECRET
    assert sorted(found.name for found in state.iterdir()) == ["keys", "link.jsonl", "locked.jsonl.lock"]


SECRET: Final = bytes(range(32))


@pytest.mark.parametrize("path", ["null", "x.jsonl", "ELSEWHERE/a/x.jsonl", "ELSEWHERE/back/x.jsonl", "STATE/x.jsonl"])
async def test_a_file_may_be_in_the_state_folder_or_where_an_absolute_path_says(
    path: str, tmp_path: Path, secrets: None
) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    for folder in (state, elsewhere):
        folder.mkdir()
    (elsewhere / "back").symlink_to(state)
    given = policy(
        JSONL.format(path.replace("STATE", str(state)).replace("ELSEWHERE", str(elsewhere))).replace(", path: null", "")
    )
    exporter = of(ExporterPool(state, HttpClient(), False), given)["to"]
    assert await exporter.send([event()]) == [DELIVERED]
    await exporter.close()
    (written,) = {found.resolve() for found in (*state.rglob("*.jsonl"), *elsewhere.rglob("*.jsonl"))}
    assert written.stat().st_size > 0


async def test_two_names_of_one_file_are_one_file(tmp_path: Path, secrets: None) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    twice = (
        HEAD.replace("[to]", "[to, two]")
        + f"    exporter: {JSONL.format('x.jsonl')}\n"
        + re.sub("(?s)^.*?destinations:\n  to:", "  two:", HEAD)
    )
    with pytest.raises(BadConfig, match=r"another destination or process writes to this file$"):
        of(
            ExporterPool(tmp_path, HttpClient(), False),
            parse(f"{twice}    exporter: {JSONL.format(tmp_path / 'link' / 'x.jsonl')}\n").policy,
        )


OTHER: Final = contract(proto("message Other { string op = 1 @OPERATIONAL; }"))

TRUSTING: Final = (
    "{kind: otlp, endpoint: 'https://logs.acme.example:4317', ca: 'CA'}",
    "{kind: webhook, endpoint: 'https://acme.zendesk.com/in', secret: {env: SIGNING}, ca: 'CA'}",
)


@pytest.mark.parametrize("exporter", TRUSTING)
async def test_who_trusts_other_certificates_is_another_exporter(make: Make, exporter: str, tmp_path: Path) -> None:
    pool, ca = make(False), tmp_path / "ca.pem"
    ca.write_bytes(trustme.CA().cert_pem.bytes())
    wanted = policy(exporter.replace("CA", str(ca)))
    first = of(pool, wanted)["to"]
    assert of(pool, wanted)["to"] is first
    ca.write_bytes(trustme.CA().cert_pem.bytes())
    second = of(pool, wanted)["to"]
    assert second is not first
    for broken in (lambda: ca.write_bytes(b"nothing"), ca.unlink):
        broken()
        with pytest.raises(BadConfig, match=re.escape(str(ca))):
            of(pool, wanted)
    ca.write_bytes(trustme.CA().cert_pem.bytes())
    await asyncio.gather(first.close(), second.close(), of(pool, wanted)["to"].close())


DRAWING: Final = {
    "{kind: jsonl}": True,
    "{kind: webhook, endpoint: 'https://acme.zendesk.com/in', secret: {env: SIGNING}}": True,
    "{kind: otlp, endpoint: 'https://logs.acme.example:4317'}": False,
    "{kind: 'null'}": False,
}


@pytest.mark.parametrize(("exporter", "draws"), DRAWING.items())
async def test_who_draws_messages_of_another_contract_is_another_exporter(
    make: Make, exporter: str, draws: bool
) -> None:
    pool, wanted = make(False), policy(exporter)
    first = pool.adopt(pool.open(wanted, KANNELLE))["to"]
    again = load_contracts([default_contract()])
    assert pool.adopt(pool.open(wanted, again))["to"] is first
    other = pool.adopt(pool.open(wanted, OTHER))["to"]
    assert (other is not first) is draws
    await asyncio.gather(first.close(), other.close())
