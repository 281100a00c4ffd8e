"""HTTP to vendors: one session for all.

It connects to public addresses only, follows no redirect, and reads responses of bounded size. What they mean: see
`http_responses.py`. https://docs.aiohttp.org/en/stable/client_advanced.html
"""

from __future__ import annotations

import re
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.errors import CallReason, Retryable

MAX_RESPONSE_BYTES: Final = 1024 * 1024
"""How much of an answer is read, before and after decompression."""

MAX_CONNECTIONS: Final = 64
MAX_CONNECTIONS_PER_HOST: Final = 8
"""A vendor that hangs shall not hold what others need."""

_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*|", re.IGNORECASE)
"""The last part of a host that is an address in some odd form.

See https://url.spec.whatwg.org/#ends-in-a-number-checker.
"""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")


class HttpResponse(msgspec.Struct, frozen=True):
    """What a vendor answered. `body` is None if it was too large, or couldn't be decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None

    def __repr__(self) -> str:
        return f"Answer({self.status})"


def is_public(host: str) -> bool:
    """Whether an IP address is one of the public internet, and so is any that it stands for.

    Raises ValueError for what is no address.
    """
    address = ip_address(host.partition("%")[0])
    embedded = _embedded_ipv4(address)
    if embedded is not None:
        return is_public(str(embedded))
    # What Python calls global still holds multicast and, of IPv6, the site-local addresses of old.
    excluded = (address.is_multicast, address.is_reserved, isinstance(address, IPv6Address) and address.is_site_local)
    return address.is_global and not any(excluded)


def _embedded_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to this one may reach in the end."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        return address.sixtofour
    return IPv4Address("0.0.0.0") if address in _TEREDO else None  # noqa: S104 - not public, whatever is in the tunnel


class HttpClient:
    """The way out, shared by exporters."""

    def __init__(
        self, *, insecure_loopback: bool = False, resolver: Callable[[], AbstractResolver] = ThreadedResolver
    ) -> None:
        """`insecure_loopback` admits this machine too, in plaintext if the URL says so.

        `resolver` makes what resolves names.
        """
        self._loopback = insecure_loopback
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._public_resolver: _PublicResolver | None = None
        self._closed = False

    def allows(self, url: str) -> bool:
        """Whether a URL may be called, as far as it tells itself: names are judged when they are resolved."""
        parts = urlsplit(url)
        host = str(parts.hostname)
        if not host.isascii():
            # Other digits and dots can spell an address that is resolved by nobody.
            return False
        try:
            local = ip_address(host).is_loopback
        except ValueError:
            local = host == "localhost" or host.endswith(".localhost")
            return (
                self._loopback
                if local
                else parts.scheme == "https" and not _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2])
            )
        return self._loopback if local else parts.scheme == "https" and is_public(host)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_seconds: float, tls: ssl.SSLContext
    ) -> HttpResponse:
        """Send, and read the answer, `within` seconds. Raises Retryable if there is none."""
        if self._closed or not self.allows(url):
            raise Retryable(CallReason.UNAVAILABLE)
        session = self._session = self._session or self._open_session()
        limit = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with session.post(
                url, data=body, headers=headers, ssl=tls, timeout=limit, allow_redirects=False
            ) as response:
                return HttpResponse(
                    response.status,
                    {name.lower(): value for name, value in response.headers.items()},
                    await _read_body(response),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            # Their texts may name what was sent.
            raise Retryable(CallReason.UNAVAILABLE) from None

    async def close(self) -> None:
        """Close all connections. What is sent afterwards raises Retryable. Closing again does nothing."""
        self._closed = True
        if self._session is not None and self._public_resolver is not None:
            await self._session.close()
            await self._public_resolver.close()

    def _open_session(self) -> aiohttp.ClientSession:
        self._public_resolver = _PublicResolver(self._resolver(), loopback=self._loopback)
        connector = aiohttp.TCPConnector(
            limit=MAX_CONNECTIONS, limit_per_host=MAX_CONNECTIONS_PER_HOST, resolver=self._public_resolver
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers={"User-Agent": "kannelle-privacy-gateway", "Accept-Encoding": "gzip"},
        )


class _PublicResolver(AbstractResolver):
    """A resolver whose answers are public addresses: a name with any other isn't connected to at all."""

    def __init__(self, inner: AbstractResolver, *, loopback: bool) -> None:
        self._inner = inner
        self._loopback = loopback

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found or not all(self._allows(entry["host"]) for entry in found):
            raise OSError("resolves to an address that is not public")
        return found

    def _allows(self, address: str) -> bool:
        return is_public(address) or (self._loopback and ip_address(address).is_loopback)

    async def close(self) -> None:
        await self._inner.close()


async def _read_body(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole body, if it isn't too large."""
    body = bytearray()
    while chunk := await response.content.read(MAX_RESPONSE_BYTES + 1 - len(body)):
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            response.close()
            return None
    return _decompress(bytes(body), response.headers.get("Content-Encoding", "identity").strip().lower())


def _decompress(body: bytes, encoding: str) -> bytes | None:
    if encoding == "identity":
        return body
    if encoding != "gzip":
        return None
    inflate = zlib.decompressobj(wbits=31)
    try:
        plain = inflate.decompress(body, MAX_RESPONSE_BYTES)
    except zlib.error:
        return None
    return plain if inflate.eof else None
