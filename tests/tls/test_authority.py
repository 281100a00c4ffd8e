"""What the one maker of certificates makes: as SPIFFE and OpenSSL's strictest checks want it, and readable by ours."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.receivers.caller import identity
from gateway.tls.authority import CertificateAuthority, NotAnAuthority

SINCE: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNTIL: Final = SINCE + timedelta(days=90)
SPIFFE: Final = "spiffe://cluster.local/ns/video/sa/editor"
NAMES: Final = (x509.UniformResourceIdentifier(SPIFFE),)

AUTHORITY: Final = CertificateAuthority.create("A CA", SINCE, UNTIL)


def extensions(pem: bytes) -> dict[type, tuple[bool, x509.ExtensionType]]:
    found = x509.load_pem_x509_certificate(pem).extensions
    return {type(one.value): (one.critical, one.value) for one in found}


def usage(**allowed: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def test_what_is_issued_may_be_both_ends_of_a_connection_and_nothing_else() -> None:
    issued = AUTHORITY.issue(NAMES, SINCE, UNTIL)
    own = x509.load_pem_x509_certificate(issued.certificate)
    found = extensions(issued.certificate)
    assert found[x509.SubjectAlternativeName] == (True, x509.SubjectAlternativeName(NAMES))
    assert found[x509.BasicConstraints] == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert found[x509.KeyUsage] == (True, usage(digital_signature=True))
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    assert found[x509.ExtendedKeyUsage] == (False, both)
    assert (own.not_valid_before_utc, own.not_valid_after_utc) == (SINCE, UNTIL)
    assert isinstance(key := own.public_key(), ec.EllipticCurvePublicKey)
    assert (key.curve.name, identity(issued.certificate).names) == ("secp256r1", (SPIFFE,))


def test_a_ca_signs_certificates_and_no_other_ca() -> None:
    found = extensions(AUTHORITY.certificate)
    assert found[x509.BasicConstraints] == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert found[x509.KeyUsage] == (True, usage(key_cert_sign=True, crl_sign=True))
    assert (AUTHORITY.since, AUTHORITY.until) == (SINCE, UNTIL)


def test_each_certificate_has_a_key_of_its_own_and_each_ca_a_name() -> None:
    one, other = (AUTHORITY.issue(NAMES, SINCE, UNTIL) for _ in range(2))
    assert one.key != other.key
    again = CertificateAuthority.create("A CA", SINCE, UNTIL)
    subjects = {x509.load_pem_x509_certificate(ca.certificate).subject for ca in (AUTHORITY, again)}
    assert len(subjects) == 2


def test_a_ca_that_was_kept_signs_as_before() -> None:
    kept = CertificateAuthority.load(AUTHORITY.certificate, AUTHORITY.key)
    issued = kept.issue(NAMES, SINCE, UNTIL)
    x509.load_pem_x509_certificate(issued.certificate).verify_directly_issued_by(
        x509.load_pem_x509_certificate(AUTHORITY.certificate)
    )
    assert (kept.certificate, kept.key, issued.ca) == (AUTHORITY.certificate, AUTHORITY.key, AUTHORITY.certificate)


def made_elsewhere(*extensions: x509.ExtensionType) -> tuple[bytes, bytes]:
    """A certificate of the same key and name, by hand, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), SINCE, UNTIL)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM), private


@pytest.mark.parametrize(
    "extensions",
    [
        (),
        (x509.BasicConstraints(ca=False, path_length=None),),
        (x509.BasicConstraints(ca=True, path_length=None), usage(digital_signature=True)),
    ],
    ids=["says nothing", "is no CA", "signs no certificates"],
)
def test_a_certificate_that_may_not_sign_others_is_no_ca(extensions: tuple[x509.ExtensionType, ...]) -> None:
    with pytest.raises(NotAnAuthority, match="may not sign others"):
        CertificateAuthority.load(*made_elsewhere(*extensions))


def test_a_ca_of_an_unusual_key_is_refused() -> None:
    certificate, _ = made_elsewhere(x509.BasicConstraints(ca=True, path_length=None))
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(NotAnAuthority, match="P-256 or P-384"):
        CertificateAuthority.load(certificate, key)


def rsa_ca() -> CertificateAuthority:
    made = trustme.CA(key_type=trustme.KeyType.RSA)
    return CertificateAuthority.load(made.cert_pem.bytes(), made.private_key_pem.bytes())


def without_key_identifier() -> CertificateAuthority:
    return CertificateAuthority.load(*made_elsewhere(x509.BasicConstraints(ca=True, path_length=None)))


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
@pytest.mark.parametrize(
    ("made", "flags"),
    [
        (lambda: CertificateAuthority.create("A CA", SINCE, UNTIL), ["-x509_strict"]),
        (rsa_ca, []),
        (without_key_identifier, []),
    ],
    ids=["ours", "RSA", "without a key identifier"],
)
def test_openssl_takes_it_for_both_ends(made: object, flags: list[str], purpose: str, tmp_path: Path) -> None:
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("needs openssl")
    assert callable(made)
    authority = made()
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    (tmp_path / "tls.crt").write_bytes(authority.issue(NAMES, SINCE, UNTIL).certificate)
    at = str(int((SINCE + timedelta(days=1)).timestamp()))
    # trustme's own begin and end elsewhen
    time = ["-no_check_time"] if authority.since != SINCE else ["-attime", at]
    command = (openssl, "verify", *time, *flags, "-purpose", purpose, "-CAfile", "ca.crt", "tls.crt")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "tls.crt: OK\n"), done.stderr
