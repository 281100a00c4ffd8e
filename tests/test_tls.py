"""The gateway's certificate and key: read from files, refused where they don't fit, and changed under load."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PosixPath
from typing import Any, Final

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.config import Tls
from gateway.errors import BadConfig
from gateway.files import MAX_PEM_BYTES
from gateway.tls import Certificates, Expiry, Material, Validity, read

CA = trustme.CA()
OTHER = trustme.CA()
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def material(ca: trustme.CA = CA, trusted: trustme.CA = CA, **given: Any) -> Material:
    """A certificate of `ca`'s for localhost, for one that trusts `trusted`."""
    leaf = ca.issue_cert("localhost", **given)
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return Material(chain, leaf.private_key_pem.bytes(), trusted.cert_pem.bytes())


def serial(held: Material) -> int:
    return x509.load_pem_x509_certificate(held.certificate).serial_number


def written(folder: Path, held: Material) -> Tls:
    """As a mounted secret has them: names that are links into a folder, which is a link too."""
    data = folder / f"..{serial(held)}"
    data.mkdir()
    for name, pem in (("tls.crt", held.certificate), ("tls.key", held.key), ("ca.crt", held.ca)):
        (data / name).write_bytes(pem)
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(Path("..data") / name)
    (folder / "..new").symlink_to(data.name)
    (folder / "..new").rename(folder / "..data")
    return Tls(certificate=folder / "tls.crt", key=folder / "tls.key", ca=folder / "ca.crt")


def test_files_are_read_through_links_and_anew_when_these_are_swapped(tmp_path: Path) -> None:
    old, new = material(), material()
    assert read(written(tmp_path, old)) == old
    assert read(written(tmp_path, new)) == new


def encrypted(pem: bytes) -> bytes:
    key = load_pem_private_key(pem, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def pem_of(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


CERTIFICATES = "must be one or more certificates in PEM"
KIND = "must be an RSA key, or one on P-256 or P-384"


@pytest.mark.parametrize(
    ("key", "spoil", "expected"),
    [
        pytest.param("certificate", lambda _: b"", CERTIFICATES, id="an empty certificate"),
        pytest.param("certificate", lambda pem: pem[: len(pem) // 2], CERTIFICATES, id="half a certificate"),
        pytest.param("certificate", lambda pem: pem.replace(b"M", b"N"), CERTIFICATES, id="PEM of something else"),
        pytest.param("certificate", lambda _: material().key, CERTIFICATES, id="a key for a certificate"),
        pytest.param(
            "certificate",
            lambda _: b"-" * (MAX_PEM_BYTES + 1),
            f"is larger than {MAX_PEM_BYTES} bytes",
            id="a huge certificate",
        ),
        pytest.param("key", lambda _: b"", "must be a private key in PEM", id="an empty key"),
        pytest.param(
            "key", lambda _: material().certificate, "must be a private key in PEM", id="a certificate for a key"
        ),
        pytest.param("key", lambda pem: pem[:-30], "must be a private key in PEM", id="a key cut off"),
        pytest.param("key", encrypted, "is encrypted; it must be without a password", id="a key with a password"),
        pytest.param("key", lambda _: material().key, "doesn't fit the certificate", id="another's key"),
        pytest.param("key", lambda _: pem_of(ed25519.Ed25519PrivateKey.generate()), KIND, id="a key on Ed25519"),
        pytest.param("key", lambda _: pem_of(ec.generate_private_key(ec.SECP521R1())), KIND, id="a key on P-521"),
        pytest.param("ca", lambda _: b"\xff\x00", CERTIFICATES, id="a binary ca"),
    ],
)
def test_what_does_not_load_is_named_with_its_key_and_file(
    key: str, spoil: Callable[[bytes], bytes], expected: str, tmp_path: Path
) -> None:
    tls = written(tmp_path, material())
    path: Path = getattr(tls, key)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadConfig) as caught:
        read(tls)
    assert str(caught.value) == f"tls.{key}: {path}: {expected}"


@pytest.mark.parametrize("key", ["certificate", "key", "ca"])
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda path: None, "can't be read: No such file or directory", id="missing"),
        pytest.param(Path.mkdir, "is a folder; it must be a regular file", id="a folder"),
        pytest.param(os.mkfifo, "is a named pipe; it must be a regular file", id="a named pipe"),
        pytest.param(
            lambda path: path.symlink_to("/dev/zero"), "is a device; it must be a regular file", id="a device"
        ),
        pytest.param(
            lambda path: path.symlink_to(path.name),
            "can't be read: Too many levels of symbolic links",
            id="a link to itself",
        ),
        pytest.param(lambda path: path.symlink_to("a" * 300), "can't be read: File name too long", id="a long name"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    key: str, make: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    tls = written(tmp_path, material())
    path: Path = getattr(tls, key)
    path.unlink()
    make(path)
    with pytest.raises(BadConfig) as caught:
        read(tls)
    assert str(caught.value) == f"tls.{key}: {path}: {expected}"


def test_files_that_are_swapped_while_they_are_read_are_read_again(tmp_path: Path) -> None:
    """Whoever looks at the key has read the old certificate, and finds the new files in place from then on."""
    old, new = material(), material()
    tls = written(tmp_path, old)

    swaps: Iterator[Callable[[], Tls]] = iter([lambda: written(tmp_path, new)])

    class Watched(PosixPath):
        def stat(self, **given: Any) -> os.stat_result:
            for swap in swaps:
                swap()
            return Path(self).stat(**given)

    assert read(Tls(certificate=tls.certificate, key=Watched(tls.key), ca=tls.ca)) == new


def test_an_expired_certificate_loads_and_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held = material(not_after=LONG_AGO)
    tls = written(tmp_path, held)
    with caplog.at_level(logging.WARNING):
        assert read(tls) == held
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", f"tls.certificate: {tls.certificate}: expired, at 2020-01-01T00:00:00Z")
    ]
    assert held.expiries()[0].not_after == LONG_AGO


DAY: Final = timedelta(days=1)


@pytest.mark.parametrize(
    ("certificate", "lifetime", "left", "last", "validity"),
    [
        ("own", 365 * DAY, 31 * DAY, 31 * DAY, Validity.VALID),
        ("own", 365 * DAY, 29 * DAY, 29 * DAY, Validity.EXPIRES_SOON),
        ("own", 365 * DAY, 8 * DAY, 8 * DAY, Validity.EXPIRES_SOON),
        ("own", 365 * DAY, 6 * DAY, 6 * DAY, Validity.EXPIRES_VERY_SOON),
        ("own", 365 * DAY, -DAY / 1000, -DAY / 1000, Validity.EXPIRED),
        # An intermediate that has expired breaks the chain.
        ("own", 365 * DAY, -DAY, 300 * DAY, Validity.EXPIRED),
        # cert-manager renews after two thirds; a workload's lives an hour.
        ("own", 90 * DAY, 30 * DAY, 30 * DAY, Validity.VALID),
        ("own", 90 * DAY, 29 * DAY, 29 * DAY, Validity.EXPIRES_SOON),
        ("own", DAY, DAY / 2, DAY / 2, Validity.VALID),
        ("own", DAY, DAY / 4, DAY / 4, Validity.EXPIRES_SOON),
        ("own", DAY, DAY / 20, DAY / 20, Validity.EXPIRES_VERY_SOON),
        ("ca", 3650 * DAY, 20 * DAY, 3000 * DAY, Validity.EXPIRES_SOON),
        ("ca", 3650 * DAY, -DAY, 3000 * DAY, Validity.EXPIRED_IN_PART),
        ("ca", 3650 * DAY, -2 * DAY, -DAY, Validity.EXPIRED),
    ],
)
def test_how_near_the_end_of_a_certificate_is(
    certificate: Any, lifetime: timedelta, left: timedelta, last: timedelta, validity: Validity
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert Expiry(certificate, now + left, now + last, lifetime.total_seconds()).validity(now) is validity


def test_of_several_certificates_the_first_to_expire_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    old, new = (
        CA.issue_cert("localhost", not_after=now + left).cert_chain_pems[0].bytes() for left in (-DAY, 3000 * DAY)
    )
    held = material(not_after=now + 3000 * DAY)
    bundle = Material(held.certificate, held.key, new + old)
    own, ca = bundle.expiries()
    assert (own.not_after, ca.not_after, ca.last) == (now + 3000 * DAY, now - DAY, now + 3000 * DAY)
    tls = written(tmp_path, bundle)
    with caplog.at_level(logging.WARNING):
        read(tls)
    assert [record.message for record in caplog.records] == [
        f"tls.ca: {tls.ca}: expired in part, at {now - DAY:%Y-%m-%dT%H:%M:%SZ}"
    ]


def test_nothing_of_a_key_is_in_what_is_printed() -> None:
    held = material()
    assert repr(held) == str(held) == "Material(…)"
    assert "PRIVATE" not in f"{Certificates(held)!r} {[held]}"


def test_a_generation_is_a_change() -> None:
    old, new = material(), material()
    certificates = Certificates(old)
    assert (certificates.generation, certificates.material) == (0, old)
    assert not certificates.swap(Material(old.certificate, old.key, old.ca))
    assert certificates.generation == 0
    assert certificates.swap(new)
    assert (certificates.generation, certificates.material) == (1, new)


def test_material_that_does_not_load_leaves_the_old_in_place(tmp_path: Path) -> None:
    old = material()
    tls = written(tmp_path, old)
    certificates = Certificates(read(tls))
    tls.key.write_bytes(material().key)
    with pytest.raises(BadConfig):
        certificates.swap(read(tls))
    assert (certificates.generation, certificates.material) == (0, old)


class Echo(grpc.GenericRpcHandler):
    """Answers any call with its request; a stream, message by message."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        if details.method == "/test/stream":
            return grpc.stream_stream_rpc_method_handler(self.stream)
        return grpc.unary_unary_rpc_method_handler(self.unary)

    async def unary(self, request: bytes, context: Any) -> bytes:
        return request

    async def stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request


@contextlib.asynccontextmanager
async def serving(certificates: Certificates) -> AsyncIterator[int]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_secure_port("127.0.0.1:0", certificates.server_credentials())
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def channel(port: int, certificates: Certificates) -> grpc.aio.Channel:
    """A channel of its own: gRPC would share the connection of one that is alike."""
    return grpc.aio.secure_channel(
        f"localhost:{port}", certificates.channel_credentials(), options=[("grpc.use_local_subchannel_pool", 1)]
    )


async def echo(channel: grpc.aio.Channel, request: bytes = b"?") -> bytes:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test/unary")
    return await method(request, timeout=10)


def _handshake(port: int, client: Material, version: ssl.TLSVersion) -> tuple[int, str | None]:
    """The serial number of the server's certificate, and the version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=client.ca.decode())
    leaf = trustme.Blob(client.key + client.certificate)
    with leaf.tempfile() as path:
        context.load_cert_chain(path)
    context.set_alpn_protocols(["h2"])
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        tls.recv(1)
        der = tls.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number, tls.version()


async def handshake(
    port: int, client: Material, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> tuple[int, str | None]:
    return await asyncio.to_thread(_handshake, port, client, version)


async def test_a_new_connection_gets_the_new_certificate_and_no_call_fails() -> None:
    history = [material() for _ in range(4)]
    certificates, client = Certificates(history[0]), Certificates(material())
    answered = asyncio.Semaphore(0)
    done = asyncio.Event()

    async def call(port: int) -> None:
        while not done.is_set():
            async with channel(port, client) as one:
                assert await echo(one, b"new") == b"new"
            answered.release()

    async with serving(certificates) as port, channel(port, client) as old, asyncio.TaskGroup() as calls:
        for _ in range(3):
            calls.create_task(call(port))
        stream: grpc.aio.StreamStreamCall[bytes, bytes] = old.stream_stream("/test/stream")(timeout=30)
        for held in history:
            certificates.swap(held)
            await stream.write(b"old")
            assert await stream.read() == b"old"
            assert (await handshake(port, client.material))[0] == serial(held)
            for _ in range(5):
                await answered.acquire()
        done.set()
        await stream.done_writing()
        assert await stream.read() == grpc.aio.EOF


async def test_whom_a_server_trusts_changes_too() -> None:
    certificates = Certificates(material())
    stranger = Certificates(material(ca=OTHER))
    async with serving(certificates) as port:
        async with channel(port, stranger) as refused:
            with pytest.raises(grpc.aio.AioRpcError):
                await echo(refused)
        certificates.swap(material(trusted=OTHER))
        async with channel(port, stranger) as taken:
            assert await echo(taken) == b"?"
        async with channel(port, Certificates(material())) as refused:
            with pytest.raises(grpc.aio.AioRpcError):
                await echo(refused)


async def test_each_server_gets_each_change() -> None:
    certificates, client, new = Certificates(material()), material(), material()
    async with serving(certificates) as one, serving(certificates) as other:
        certificates.swap(new)
        for port in (one, other, one):
            assert (await handshake(port, client))[0] == serial(new)


async def test_a_channel_has_the_material_of_its_moment() -> None:
    client = Certificates(material(ca=OTHER))
    async with serving(Certificates(material())) as port:
        client.swap(material())
        async with channel(port, client) as after:
            assert await echo(after) == b"?"


async def test_a_server_of_another_authority_is_not_called() -> None:
    client = Certificates(material(trusted=OTHER))
    async with serving(Certificates(material())) as port, channel(port, client) as refused:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await echo(refused)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "client", [grpc.ssl_channel_credentials(CA.cert_pem.bytes()), None], ids=["no certificate", "no TLS"]
)
async def test_a_caller_without_a_certificate_is_refused(client: grpc.ChannelCredentials | None) -> None:
    async with serving(Certificates(material())) as port:
        target = f"localhost:{port}"
        async with grpc.aio.secure_channel(target, client) if client else grpc.aio.insecure_channel(target) as refused:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await echo(refused)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
async def test_tls_of_today_is_spoken(version: ssl.TLSVersion, name: str) -> None:
    held = material()
    async with serving(Certificates(held)) as port:
        assert await handshake(port, material(), version) == (serial(held), name)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_tls_of_old_is_refused(version: ssl.TLSVersion) -> None:
    async with serving(Certificates(material())) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await handshake(port, material(), version)
