"""Who calls: by the one SPIFFE ID of a certificate, or its DNS names, for as long as it is valid.

Over real connections.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ssl import DER_cert_to_PEM_cert
from typing import Any, Final

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallReason, Refused
from gateway.receivers.caller import Callers
from gateway.tls import Certificates, Material

CA: Final = trustme.CA()
NOW: Final = datetime.now(UTC).replace(microsecond=0)
SINCE, UNTIL = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
VIDEO: Final = "spiffe://kannelle.example/video"
OTHER: Final = "spiffe://kannelle.example/other"

Auth = Mapping[str, Sequence[bytes]]


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def dns(text: str) -> x509.GeneralName:
    return x509.DNSName(text)


def material(*names: x509.GeneralName, authority: bool = False) -> Material:
    """A certificate with these alternative names, which trustme makes of no URI; without any it has a common name."""
    key = ec.generate_private_key(ec.SECP256R1())
    root = x509.load_pem_x509_certificate(CA.cert_pem.bytes())
    common = [] if names else [x509.NameAttribute(x509.NameOID.COMMON_NAME, "video.kannelle.svc")]
    builder = x509.CertificateBuilder(
        root.subject, x509.Name(common), key.public_key(), x509.random_serial_number(), SINCE, UNTIL
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signer = load_pem_private_key(CA.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    certificate = builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)
    return Material(
        certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), CA.cert_pem.bytes()
    )


class Listening(grpc.GenericRpcHandler):
    """Notes what each call's connection says of its caller."""

    def __init__(self) -> None:
        self.auth: Auth = {}
        self.port = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return grpc.unary_unary_rpc_method_handler(self.note)

    async def note(self, request: bytes, context: Any) -> bytes:
        self.auth = context.auth_context()
        return request

    async def call(self, held: Material | None) -> Auth:
        """What a call with a certificate gives."""
        self.auth = {}
        credentials = held and Certificates(held).channel_credentials()
        target = f"localhost:{self.port}"
        async with (
            grpc.aio.secure_channel(target, credentials)
            if credentials
            else grpc.aio.insecure_channel(target) as channel
        ):
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test/note")
            await method(b"", timeout=10)
        return self.auth


async def _listening(*, secure: bool) -> AsyncIterator[Listening]:
    server, listening = grpc.aio.server(), Listening()
    server.add_generic_rpc_handlers((listening,))
    credentials = Certificates(material(dns("localhost"))).server_credentials()
    listening.port = (
        server.add_secure_port("127.0.0.1:0", credentials) if secure else server.add_insecure_port("127.0.0.1:0")
    )
    await server.start()
    yield listening
    await server.stop(None)


@pytest.fixture
async def inbound() -> AsyncIterator[Listening]:
    async for listening in _listening(secure=True):
        yield listening


@pytest.fixture
async def plain() -> AsyncIterator[Listening]:
    async for listening in _listening(secure=False):
        yield listening


def refused(auth: Auth, now: float = NOW.timestamp(), callers: Callers | None = None) -> bool:
    with pytest.raises(Refused) as caught:
        (callers or Callers()).caller(auth, now)
    return caught.value.reason is CallReason.CALLER_NOT_ALLOWED


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([uri(VIDEO)], (VIDEO,), id="one SPIFFE ID"),
        pytest.param([dns("video.kannelle.svc"), uri(VIDEO)], (VIDEO,), id="a SPIFFE ID beside a DNS name"),
        pytest.param([dns("video.kannelle.svc")], ("video.kannelle.svc",), id="one DNS name"),
        pytest.param(
            [dns("Video.Kannelle.svc"), dns("video.kannelle.svc"), dns("b")],
            ("video.kannelle.svc", "b"),
            id="DNS names",
        ),
        pytest.param(
            [dns("*.kannelle.svc"), dns("video.kannelle.svc")],
            ("video.kannelle.svc",),
            id="a wildcard beside a DNS name",
        ),
        pytest.param(
            [
                x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
                x509.RFC822Name("anna@kannelle.example"),
                dns("video.kannelle.svc"),
            ],
            ("video.kannelle.svc",),
            id="addresses beside a DNS name",
        ),
    ],
)
async def test_a_caller_is_whom_its_certificate_names(
    names: list[x509.GeneralName], expected: tuple[str, ...], inbound: Listening
) -> None:
    assert Callers().caller(await inbound.call(material(*names)), NOW.timestamp()) == expected


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([uri(VIDEO), uri(OTHER)], id="two SPIFFE IDs"),
        pytest.param([uri(VIDEO), uri(VIDEO)], id="one SPIFFE ID twice"),
        pytest.param([uri(VIDEO), uri("https://kannelle.example/video")], id="a SPIFFE ID and another URI"),
        pytest.param(
            [uri("https://kannelle.example/video"), dns("video.kannelle.svc")], id="another URI and a DNS name"
        ),
        pytest.param([uri("SPIFFE://kannelle.example/video"), dns("video.kannelle.svc")], id="a SPIFFE ID in capitals"),
        pytest.param([uri("spiffe://kannelle.example")], id="a trust domain"),
        pytest.param([uri("spiffe://kannelle.example/a/../video")], id="a SPIFFE ID with dots"),
        pytest.param([uri("spiffe://kannelle.example/%76ideo")], id="a SPIFFE ID with an escape"),
        pytest.param([uri(VIDEO + "\0/b")], id="a SPIFFE ID with a NUL"),
        pytest.param([dns("video.kannelle.svc\0.evil.example")], id="a DNS name with a NUL"),
        pytest.param([dns("*.kannelle.svc")], id="a wildcard"),
        pytest.param([dns("video.*")], id="a star elsewhere"),
        pytest.param([dns("video.kannelle.svc.")], id="a DNS name with a dot at its end"),
        pytest.param([dns(VIDEO)], id="a SPIFFE ID as a DNS name"),
        pytest.param([x509.IPAddress(ipaddress.ip_address("10.0.0.1"))], id="an address"),
        pytest.param([], id="a common name"),
    ],
)
async def test_a_certificate_that_does_not_name_one_caller_is_refused(
    names: list[x509.GeneralName], inbound: Listening
) -> None:
    assert refused(await inbound.call(material(*names)))


async def test_a_certificate_that_signs_others_is_refused(inbound: Listening) -> None:
    assert refused(await inbound.call(material(uri(VIDEO), authority=True)))


@pytest.mark.parametrize(
    ("now", "valid"),
    [
        (SINCE - timedelta(seconds=1), False),
        (SINCE, True),
        (UNTIL, True),
        (UNTIL + timedelta(seconds=1), False),
        (UNTIL + timedelta(days=10_000), False),
    ],
)
async def test_a_certificate_that_expires_on_its_connection_is_refused(
    now: datetime, valid: bool, inbound: Listening
) -> None:
    callers = Callers()
    auth = await inbound.call(material(uri(VIDEO)))
    assert callers.caller(auth, NOW.timestamp()) == (VIDEO,)
    if valid:
        assert callers.caller(auth, now.timestamp()) == (VIDEO,)
    else:
        assert refused(auth, now.timestamp(), callers)


async def test_a_caller_without_tls_is_refused(plain: Listening) -> None:
    auth = await plain.call(None)
    assert auth["transport_security_type"] == [b"insecure"]
    assert refused(auth)


CERTIFICATE: Final = material(uri(VIDEO)).certificate


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {"transport_security_type": [b"ssl"]},
        {"transport_security_type": [b"ssl"], "x509_pem_cert": []},
        {"transport_security_type": [b"ssl"], "x509_pem_cert": [CERTIFICATE, CERTIFICATE]},
        {"transport_security_type": [b"ssl"], "peer_spiffe_id": [VIDEO.encode()]},
        {"transport_security_type": [b"local"], "x509_pem_cert": [CERTIFICATE]},
        {"transport_security_type": [b"ssl", b"local"], "x509_pem_cert": [CERTIFICATE]},
        {"transport_security_type": [b"ssl"], "x509_pem_cert": [CERTIFICATE[:200]]},
        {"x509_pem_cert": [CERTIFICATE]},
    ],
    ids=range(9),
)
def test_what_does_not_prove_a_caller_is_refused(auth: Auth) -> None:
    assert refused(auth)


def test_a_certificate_is_read_once_and_few_are_remembered() -> None:
    callers = Callers(max_certificates=2)
    for _ in range(2):
        for name in ("a", "b", "c"):
            auth = {"transport_security_type": [b"ssl"], "x509_pem_cert": [material(dns(name)).certificate]}
            known = [callers.caller(auth, NOW.timestamp()) for _ in range(2)]
            assert known == [(name,), (name,)]
            assert known[0] is known[1]
    assert len(callers._known) == 2


@given(
    st.binary() | st.binary().map(lambda raw: b"-----BEGIN CERTIFICATE-----\n" + raw + b"\n-----END CERTIFICATE-----\n")
)
def test_bytes_that_are_no_certificate_are_refused(raw: bytes) -> None:
    assert refused({"transport_security_type": [b"ssl"], "x509_pem_cert": [raw]})


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.data())
def test_a_damaged_certificate_never_ends_in_another_error(data: st.DataObject) -> None:
    der = bytearray(x509.load_pem_x509_certificate(CERTIFICATE).public_bytes(Encoding.DER))
    for index in data.draw(st.lists(st.integers(0, len(der) - 1), max_size=3)):
        der[index] = data.draw(st.integers(0, 255))
    pem = DER_cert_to_PEM_cert(bytes(der)).encode()
    with contextlib.suppress(Refused):
        Callers().caller({"transport_security_type": [b"ssl"], "x509_pem_cert": [pem]}, NOW.timestamp())
