from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from gateway import tls
from gateway.demo.certificates import LIFETIME, Authority


def test_a_certificate_is_for_one_workload_and_one_authority_and_lasts_an_hour(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("spiffe://kannelle.io/ns/video/sa/studio", "studio.kannelle.svc")
    material = tls.examine(issued)
    own, authority = map(x509.load_pem_x509_certificate, (material.certificate, material.ca))
    own.verify_directly_issued_by(authority)
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://kannelle.io/ns/video/sa/studio"]
    assert names.get_values_for_type(x509.DNSName) == ["studio.kannelle.svc"]
    assert own.not_valid_after_utc - datetime.now(UTC) <= LIFETIME


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("spiffe://kannelle.io/ns/video/sa/studio", "studio.kannelle.svc")
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    assert b"PRIVATE KEY" in issued.key.read_bytes()


def test_no_authority_vouches_for_what_another_issued(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    issued = tls.examine(Authority(one).issue("spiffe://kannelle.io/a", "a.example"))
    another = tls.examine(Authority(other).issue("spiffe://kannelle.io/a", "a.example"))
    with pytest.raises(ValueError, match="does not match certificate issuer"):
        x509.load_pem_x509_certificate(issued.certificate).verify_directly_issued_by(
            x509.load_pem_x509_certificate(another.ca)
        )
