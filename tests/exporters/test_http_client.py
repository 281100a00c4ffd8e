"""The way out: where it goes, where it doesn't, and how much of an answer it reads."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import trustme
from aiohttp import web as server
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.errors import BadConfig, Retryable
from gateway.exporters.ca_certificates import tls_context
from gateway.exporters.http_client import MAX_RESPONSE_BYTES, HttpClient, HttpResponse, is_public
from gateway.standins import Fault, SegmentStandIn
from tests.support.channels import fake_http_proxy

PUBLIC: Final = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NOT_PUBLIC: Final = [
    *(
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "192.0.2.1",
    ),
    *("198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
    *(
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "2002:a00:1::1",
    ),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "::10.0.0.1"),
]


class Names(AbstractResolver):
    """Knows one answer to all names."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=10 if ":" in address else 2, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def named(*addresses: str) -> Callable[[], AbstractResolver]:
    return lambda: Names(*addresses)


@asynccontextmanager
async def out(*addresses: str, insecure_loopback: bool = False) -> AsyncIterator[HttpClient]:
    """A way out on which every name has these addresses."""
    http = HttpClient(insecure_loopback=insecure_loopback, resolver=named(*addresses))
    try:
        yield http
    finally:
        await http.close()


async def post(http: HttpClient, url: str, tls: ssl.SSLContext | None = None) -> HttpResponse:
    return await http.post(url, b"{}", {}, timeout_seconds=5.0, tls=tls or tls_context(None, "k"))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [address for address in NOT_PUBLIC if "%" not in address])
async def test_a_name_that_resolves_to_one_is_not_connected_to(address: str) -> None:
    async with SegmentStandIn() as vendor:
        port = vendor.url.rpartition(":")[2]
        for addresses in ((address,), ("127.0.0.1", address), (address, "127.0.0.1")):
            async with out(*addresses) as http:
                with pytest.raises(Retryable):
                    await post(http, f"https://vendor.example:{port}/v1/batch")
    assert vendor.requests == 0


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"])
async def test_one_private_address_beside_a_good_one_refuses_the_name(address: str) -> None:
    async with SegmentStandIn() as vendor:
        port = vendor.url.rpartition(":")[2]
        async with out("127.0.0.1", address, insecure_loopback=True) as http:
            with pytest.raises(Retryable):
                await post(http, f"https://vendor.example:{port}/")
    assert vendor.requests == 0


ODD: Final = (
    "127。0。0。1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "127.0.0.¹",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "vendor.0x7f",
    "vendor.",
)
"""Addresses in forms that some libraries read, and hosts that end as they do."""


@pytest.mark.parametrize(
    ("url", "loopback", "expected"),
    [
        ("https://api.segment.io", False, True),
        ("https://1.1.1.1", False, True),
        ("http://api.segment.io", False, False),
        ("http://api.segment.io", True, False),
        ("http://1.1.1.1", True, False),
        *(
            (f"https://[{address}]" if ":" in address else f"https://{address}", False, False)
            for address in NOT_PUBLIC
            if "%" not in address
        ),
        *((f"https://{host}", True, True) for host in ("127.0.0.1", "[::1]", "localhost")),
        ("https://localhost", False, False),
        *(
            (f"http://{host}:8080", loopback, loopback)
            for host in ("127.0.0.1", "[::1]", "localhost")
            for loopback in (False, True)
        ),
        ("https://10.0.0.1", True, False),
        *((f"https://{host}", False, False) for host in ODD),
    ],
)
async def test_a_url_tells_whether_it_may_be_called(url: str, loopback: bool, expected: bool) -> None:
    assert HttpClient(insecure_loopback=loopback).allows(url) is expected


async def test_nothing_is_sent_to_loopback_unless_it_is_allowed() -> None:
    async with SegmentStandIn() as vendor, out("127.0.0.1") as http:
        with pytest.raises(Retryable):
            await post(http, vendor.url)
    assert vendor.requests == 0


@asynccontextmanager
async def answering(*replies: server.Response) -> AsyncIterator[tuple[str, list[server.Request]]]:
    """A server that gives these answers, and the requests that it got."""
    seen: list[server.Request] = []
    left = list(replies)

    async def handle(request: server.Request) -> server.Response:
        await request.read()
        seen.append(request)
        return left.pop(0)

    app = server.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = server.AppRunner(app, access_log=None)
    await runner.setup()
    await server.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer(http: HttpClient, status: int) -> None:
    async with answering(server.Response()) as (elsewhere, followed):
        for location in ("/elsewhere", elsewhere, elsewhere.removeprefix("http:")):
            async with answering(server.Response(status=status, headers={"Location": location})) as (url, seen):
                assert (await post(http, url)).status == status
            assert len(seen) == 1
    assert followed == []


async def test_cookies_are_neither_kept_nor_sent(http: HttpClient) -> None:
    async with answering(*(server.Response(headers={"Set-Cookie": "a=b"}) for _ in range(2))) as (url, seen):
        await post(http, url)
        await post(http, url)
    assert ["Cookie" in request.headers for request in seen] == [False, False]


async def test_the_environment_names_no_proxy(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_http_proxy(monkeypatch) as asked, answering(server.Response(text="here")) as (url, _):
        assert (await post(http, url)).body == b"here"
    assert asked == []


LARGE: Final = b"x" * (MAX_RESPONSE_BYTES + 1)


@pytest.mark.parametrize(
    ("body", "encoding", "expected"),
    [
        (b"", None, b""),
        (b"plain", None, b"plain"),
        (LARGE[:-1], None, LARGE[:-1]),
        (LARGE, None, None),
        (gzip.compress(b"small", mtime=0), "gzip", b"small"),
        (gzip.compress(LARGE, mtime=0), "gzip", None),
        (gzip.compress(b"small", mtime=0)[:-4], "gzip", None),
        (b"no gzip", "gzip", None),
        (b"?", "br", None),
    ],
)
async def test_an_answer_is_read_to_a_bound(
    http: HttpClient, body: bytes, encoding: str | None, expected: bytes | None
) -> None:
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    async with answering(server.Response(body=body, headers=headers)) as (url, _):
        assert (await post(http, url)).body == expected


async def test_what_is_sent_once_closed_waits() -> None:
    http = HttpClient(insecure_loopback=True)
    async with answering(server.Response()) as (url, _):
        await post(http, url)
        await http.close()
        await http.close()
        with pytest.raises(Retryable):
            await post(http, url)


async def test_what_is_under_way_at_the_close_waits(http: HttpClient) -> None:
    came = asyncio.Event()

    def hang() -> Fault:
        came.set()
        return Fault.HANG

    async with SegmentStandIn(faults=hang) as vendor:
        sending = asyncio.create_task(post(http, vendor.url))
        await came.wait()
        await http.close()
        with pytest.raises(Retryable):
            await sending


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)
    return tls


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [("vendor.example", True, 1), ("other.example", True, 0), ("vendor.example", False, 0)],
)
async def test_a_vendor_shows_a_certificate_of_its_name(
    authority: trustme.CA, tmp_path: Path, name: str, known: bool, expected: int
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    vendor = SegmentStandIn()
    await vendor.start(certified(authority, name))
    try:
        async with out("127.0.0.1", insecure_loopback=True) as http:
            url = f"https://vendor.example:{vendor.url.rpartition(':')[2]}/v1/batch"
            tls = tls_context(str(tmp_path / "ca.pem") if known else None, "k")
            if expected:
                assert (await post(http, url, tls)).status == 401
            else:
                with pytest.raises(Retryable):
                    await post(http, url, tls)
    finally:
        await vendor.stop()
    assert vendor.requests == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "can't be read: No such file or directory"), ("no pem", "holds no certificates in PEM form")],
)
def test_a_ca_that_is_none_is_named(tmp_path: Path, content: str | None, expected: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadConfig) as caught:
        tls_context(str(path), "destinations.crm.exporter.ca")
    assert str(caught.value) == f"destinations.crm.exporter.ca: {path}: {expected}"
