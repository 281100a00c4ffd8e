"""HTTP for the platform, over real connections."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from gateway.errors import BadConfig
from gateway.receivers import http
from gateway.receivers.connection import MAX_FIELD_BYTES, MAX_FIELDS, MAX_LINE_BYTES, Limits
from gateway.receivers.http import LIMITS, Http
from gateway.telemetry import Telemetry
from gateway.telemetry.checks import Check, Readiness
from tests.support.channels import TIMEOUT_SECONDS

SECRET: Final = "anna.secret@example.com"


class Answer(msgspec.Struct, frozen=True):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Case:
    def __init__(self, ready: Any = None) -> None:
        self.readiness = Readiness(ready=True)
        self.telemetry = Telemetry()
        self.http = Http(ready or (lambda: self.readiness), self.telemetry)
        self.address = ""

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.address.rpartition(":")
        return await (
            asyncio.open_unix_connection(port)
            if host == "unix"
            else asyncio.open_connection(host.strip("[]"), int(port))
        )

    async def say(self, data: bytes) -> bytes:
        """What the server says to this until it hangs up."""
        reader, writer = await self.connect()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                writer.write(data)
                return await reader.read()
        finally:
            writer.close()

    async def ask(self, path: str, method: str = "GET", *, rest: bytes = b"\r\n") -> Answer:
        return answer(await self.say(f"{method} {path} HTTP/1.1\r\nHost: x\r\n".encode() + rest))


def answer(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    named = (field.partition(":") for field in fields)
    return Answer(int(first.split()[1]), {name: value.strip() for name, _, value in named}, body)


@asynccontextmanager
async def serving(ready: Any = None, address: str = "127.0.0.1:0") -> AsyncIterator[Case]:
    case = Case(ready)
    case.address = await case.http.start(address)
    try:
        yield case
    finally:
        await asyncio.wait_for(case.http.stop(), TIMEOUT_SECONDS)


@pytest.mark.parametrize("path", ["/livez", "/livez?verbose"])
async def test_it_lives(path: str) -> None:
    async with serving() as case:
        found = await case.ask(path)
    assert (found.status, found.body) == (200, b"ok\n")
    assert found.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert found.headers["Server"] == ""
    assert found.headers["Connection"] == "close"


AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SERVING: Final = Check("serving", ok=True, since=AT, needed=True)
STOPPING: Final = Check("serving", ok=False, since=AT, cause="STOPPING", needed=True)
FAILED: Final = Check(
    "policy", ok=False, since=AT, cause="NOT_RELOADED", detail="policy.yaml:14: bad\npolicy.yaml:15: worse"
)
TOLD: Final[dict[str, Any]] = {"ok": True, "since": "2026-01-02T03:04:05Z", "cause": "", "detail": "", "needed": False}


@pytest.mark.parametrize(
    ("checks", "ready", "told", "lines"),
    [
        ([SERVING], True, [{"needed": True}], ["[+]serving ok since 2026-01-02T03:04:05Z"]),
        (
            [STOPPING],
            False,
            [{"needed": True, "ok": False, "cause": "STOPPING"}],
            ["[-]serving STOPPING since 2026-01-02T03:04:05Z"],
        ),
        (
            [SERVING, FAILED],
            True,
            [{"needed": True}, {"name": "policy", "ok": False, "cause": "NOT_RELOADED", "detail": FAILED.detail}],
            [
                "[+]serving ok since 2026-01-02T03:04:05Z",
                (
                    "[-]policy NOT_RELOADED since 2026-01-02T03:04:05Z (ready all the same): policy.yaml:14: bad "
                    "policy.yaml:15: worse"
                ),
            ],
        ),
    ],
    ids=["ready", "stopping", "a failed reload"],
)
async def test_readiness_is_told_in_full(
    checks: list[Check], ready: bool, told: list[dict[str, Any]], lines: list[str]
) -> None:
    async with serving() as case:
        case.readiness = Readiness.of(tuple(checks))
        found, verbose = await case.ask("/readyz"), await case.ask("/readyz?verbose")
    assert found.status == verbose.status == (200 if ready else 503)
    assert json.loads(found.body) == {"ready": ready, "checks": [{"name": "serving", **TOLD, **one} for one in told]}
    assert found.headers["Content-Type"] == "application/json"
    assert verbose.body.decode().splitlines() == [*lines, f"readyz check {'passed' if ready else 'failed'}"]
    assert verbose.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("verbose", True),
        ("verbose=", True),
        ("verbose=1", True),
        ("verbose&exclude=etcd", True),
        ("exclude=etcd&verbose", True),
        ("&verbose", True),
        ("", False),
        ("exclude=verbose", False),
        ("verbosely", False),
        ("exclude=etcd", False),
    ],
)
async def test_readiness_is_told_in_lines_by_the_key_in_the_query(query: str, lines: bool) -> None:
    async with serving() as case:
        found = await case.ask(f"/readyz?{query}")
    assert found.headers["Content-Type"] == ("text/plain; charset=utf-8" if lines else "application/json")


async def test_a_check_tells_since_when_it_is_as_it_is() -> None:
    first = Check("outbox", ok=True, since=AT)
    still, full = first.with_cause(""), first.with_cause("FULL")
    worse, again = full.with_cause("DAMAGED"), full.with_cause("")
    assert (still.since, worse.since, worse.cause) == (AT, full.since, "DAMAGED")
    assert AT < full.since <= again.since
    assert (full.ok, again.ok) == (False, True)


async def test_metrics_are_the_gateways() -> None:
    async with serving() as case:
        case.telemetry.record_proxy_fields_stripped(7)
        found = await case.ask("/metrics")
    assert found.status == 200
    assert found.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"privacy_gateway_proxy_fields_stripped_total 7.0\n" in found.body


async def test_metrics_are_openmetrics_where_that_is_asked_for() -> None:
    async with serving() as case:
        found = await case.ask(
            "/metrics", rest=b"Accept: text/html\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n"
        )
    assert found.status == 200
    assert found.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert found.headers["Vary"] == "Accept"
    assert found.body.endswith(b"# EOF\n")


async def test_its_own_connections_are_counted() -> None:
    async with serving() as case:
        idle = [await case.connect() for _ in range(3)]
        found = await case.ask("/metrics")
        for _, writer in idle:
            writer.close()
    assert b'privacy_gateway_resource_used{resource="http_connections"} 4.0\n' in found.body
    assert (
        f'privacy_gateway_resource_limit{{resource="http_connections"}} {LIMITS.connections}.0\n'.encode() in found.body
    )


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_head_is_get_without_a_body(path: str) -> None:
    async with serving() as case:
        got, head = await case.ask(path), await case.ask(path, "HEAD")
    assert (head.status, head.body) == (got.status, b"")
    # The metrics of the process move from one to the other.
    assert abs(int(head.headers["Content-Length"]) - len(got.body)) <= (64 if path == "/metrics" else 0)


@pytest.mark.parametrize(
    "path", ["/", "/livez/", "//livez", "/LIVEZ", "/%6civez", "/x/../livez", "/debug", f"/{SECRET}", "http://x/livez"]
)
async def test_another_path_is_not_found(path: str) -> None:
    async with serving() as case:
        found = await case.ask(path)
    assert (found.status, found.body) == (404, b"not found\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_another_method_is_not_allowed(method: str) -> None:
    async with serving() as case:
        found = await case.ask("/livez", method)
    assert (found.status, found.body, found.headers["Allow"]) == (405, b"method not allowed\n", "GET, HEAD")


HOSTILE: Final = {
    "no HTTP": (400, f"{SECRET}\r\n\r\n".encode()),
    "an unknown method": (400, f"{SECRET} /livez HTTP/1.1\r\nHost: x\r\n\r\n".encode()),
    "a bad version": (400, f"GET /livez {SECRET}\r\nHost: x\r\n\r\n".encode()),
    "a bad header": (400, f"GET /livez HTTP/1.1\r\nHost: x\r\n{SECRET}\r\n\r\n".encode()),
    "a bad name": (400, f"GET /livez HTTP/1.1\r\nHost: x\r\nx {SECRET}: 1\r\n\r\n".encode()),
    "a bad length": (400, f"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: {SECRET}\r\n\r\n".encode()),
    "two lengths": (400, b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    "a long line": (400, b"GET /" + SECRET.encode() * MAX_LINE_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a long field": (400, b"GET /livez HTTP/1.1\r\nHost: x\r\nx: " + SECRET.encode() * MAX_FIELD_BYTES + b"\r\n\r\n"),
    "many fields": (
        400,
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + f"x: {SECRET}\r\n".encode() * (2 * MAX_FIELDS) + b"\r\n",
    ),
    "a NUL": (400, f"GET /livez HTTP/1.1\r\nHost: x\r\nx: \0{SECRET}\r\n\r\n".encode()),
    "a bad URL": (404, f"GET //[{SECRET} HTTP/1.1\r\nHost: x\r\n\r\n".encode()),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET.encode()),
    "HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "an upgrade": (200, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    "a body announced": (
        405,
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n",
    ),
    "a body begun": (
        200,
        b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" + SECRET.encode(),
    ),
    "a bomb": (
        405,
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n"
        + SECRET.encode()[:20],
    ),
    "no host": (400, b"GET /livez HTTP/1.1\r\n\r\n"),
}
TEXTS: Final = {200: b"ok\n", 400: b"bad request\n", 404: b"not found\n", 405: b"method not allowed\n"}


@pytest.mark.parametrize(("status", "data"), HOSTILE.values(), ids=HOSTILE)
async def test_whatever_is_sent_ends_in_a_fixed_text_and_is_not_logged(
    caplog: pytest.LogCaptureFixture, status: int, data: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as case:
        raw = await case.say(data)
        found = answer(raw)
        assert (found.status, found.body) == (status, TEXTS[status])
        assert SECRET.encode() not in raw
        assert b"aiohttp" not in raw
        assert b"Python" not in raw
        assert (await case.ask("/livez")).body == b"ok\n"
    assert SECRET not in caplog.text


@pytest.mark.parametrize("accept", [b"\r\n", b"Accept: text/html\r\n\r\n"])
async def test_an_error_of_our_own_says_nothing_of_itself(caplog: pytest.LogCaptureFixture, accept: bytes) -> None:
    def ready() -> Readiness:
        raise ValueError(SECRET)

    caplog.set_level(logging.DEBUG)
    async with serving(ready) as case:
        found = await case.ask("/readyz", rest=accept)
    assert (found.status, found.body) == (500, b"internal error\n")
    assert SECRET not in caplog.text
    assert "ValueError" in caplog.text


async def test_two_requests_at_once_get_one_answer() -> None:
    async with serving() as case:
        raw = await case.say(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    assert raw.count(b"HTTP/1.1 200") == 1


async def test_the_oldest_connection_makes_room() -> None:
    async with serving() as case:
        idle = [await case.connect() for _ in range(LIMITS.connections + 1)]
        try:
            assert await ended(idle[0][0])
            assert (await case.ask("/livez")).status == 200
        finally:
            for _, writer in idle:
                writer.close()


async def test_a_connection_does_not_outlive_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LIMITS", Limits(connections=10, idle=60, life=0.05))
    async with serving() as case:
        reader, writer = await case.connect()
        writer.write(b"GET /livez HTTP/1.1\r\nx: ")
        assert await ended(reader)
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server hangs up without a word."""
    try:
        return await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS) == b""
    except ConnectionResetError:
        return True


async def test_a_stop_does_not_wait_for_idle_connections() -> None:
    async with serving() as case:
        reader, writer = await case.connect()
        await case.ask("/livez")
        await asyncio.wait_for(case.http.stop(), TIMEOUT_SECONDS)
        assert await ended(reader)
        writer.close()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "[::1]:0"])
async def test_it_tells_the_port_that_was_free(address: str) -> None:
    async with serving(address=address) as case:
        assert case.address.startswith(address.removesuffix("0"))
        assert (await case.ask("/livez")).status == 200


async def test_it_listens_on_a_unix_socket_and_again_after_a_crash(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/http.sock"
    async with serving(address=address) as case:
        assert case.address == address
    async with serving(address=address) as case:
        assert (await case.ask("/livez")).status == 200


@pytest.mark.parametrize("address", ["taken", "unix:/nowhere/at/all.sock", "192.0.2.1:1"])
async def test_an_address_that_is_not_to_be_had_is_a_bad_configuration(address: str) -> None:
    async with serving() as case:
        other = Http(lambda: case.readiness, case.telemetry)
        with pytest.raises(BadConfig, match=r"^listeners\.http\.address: can't listen on "):
            await other.start(case.address if address == "taken" else address)
        await other.stop()


async def test_what_was_never_started_stops() -> None:
    await Http(lambda: Readiness(ready=True), Telemetry()).stop()
