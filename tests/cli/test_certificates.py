"""`certificates` makes what the chart expects, by one CA that it keeps."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.tls.authority import CertificateAuthority
from tests.support.issued_secrets import VALUES, certificate, issue, issued_secrets, material_of, names
from tests.support.proxy_certificates import CA, OTHER_CA

CHART: Final = Path(__file__).parents[1] / "chart"

PRIVATE: Final = "PRIVATE KEY"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# ── What is made ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_there_is_one_for_the_hub_and_one_for_each_service_account() -> None:
    assert {place: names(held) for place, held in issued_secrets().items()} == {
        ("privacy-gateway", "privacy-gateway-hub-tls"): ["privacy-gateway-hub.privacy-gateway.svc"],
        ("video", "privacy-gateway-tls-editor"): ["spiffe://cluster.local/ns/video/sa/editor"],
        ("video", "privacy-gateway-tls-studio"): ["spiffe://cluster.local/ns/video/sa/studio"],
        ("crm", "privacy-gateway-tls-api"): ["spiffe://cluster.local/ns/crm/sa/api"],
    }


def test_they_are_those_for_which_the_chart_asks_cert_manager() -> None:
    rendered = yaml.safe_load_all((CHART / "golden" / "cert-manager.yaml").read_text())
    asked = {
        (one["metadata"]["namespace"], one["spec"]["secretName"]): one["spec"].get("uris", one["spec"].get("dnsNames"))
        for one in rendered
        if one and one["kind"] == "Certificate"
    }
    values = (CHART / "values" / "cert-manager.yaml").read_text().replace("mode: cert-manager, ", "")
    assert {place: names(held) for place, held in issued_secrets(values=values).items()} == asked


def test_each_goes_back_to_the_ca_in_the_folder_and_has_a_key_of_its_own() -> None:
    made = issued_secrets()
    ca = Path("ca/ca.crt").read_bytes()
    for held in made.values():
        assert held.ca == ca
        certificate(held).verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
    assert len({held.key for held in made.values()}) == len(made)


def test_the_cas_key_is_for_its_owner_only_and_in_nothing_that_is_printed() -> None:
    done = issue("--format", "json")
    key = Path("ca/ca.key")
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    shown = [
        base64.b64decode(text).decode() for one in json.loads(done.stdout)["items"] for text in one["data"].values()
    ]
    assert [key.read_text() in text for text in (*shown, done.stdout, done.stderr)] == [False] * (len(shown) + 2)
    assert PRIVATE not in done.stderr


def test_a_second_run_renews_by_the_same_ca_and_knows_new_service_accounts() -> None:
    before, ca = issued_secrets(), {path: path.read_bytes() for path in Path("ca").iterdir()}
    after = issued_secrets(values=VALUES.replace("[api]", "[api, web]"))
    assert {path: path.read_bytes() for path in Path("ca").iterdir()} == ca
    assert after.keys() - before.keys() == {("crm", "privacy-gateway-tls-web")}
    for place, held in before.items():
        assert (after[place].ca, after[place].key == held.key) == (held.ca, False)


@pytest.mark.parametrize(
    ("more", "arguments", "days"),
    [
        ("", (), 90),
        ("certificates: {duration: 720h}\n", (), 30),
        ("certificates: {duration: 720h}\n", ("--days", "9"), 9),
        ("monitoring: {rules: {enabled: true, certificateSeconds: 60}}\n", ("--days", "1"), 1),
    ],
)
def test_how_long_they_last_is_said_by_an_option_or_by_the_values(
    more: str, arguments: tuple[str, ...], days: int
) -> None:
    made = issued_secrets(*arguments, values=VALUES + more)
    for held in made.values():
        left = certificate(held).not_valid_after_utc - datetime.now(UTC)
        assert timedelta(days=days, minutes=-5) < left <= timedelta(days=days)
        assert certificate(held).not_valid_before_utc <= datetime.now(UTC) - timedelta(minutes=4)


def test_what_is_said_is_when_to_run_it_again_and_what_to_keep() -> None:
    first, second = issue().stderr, issue().stderr
    assert re.match(r"ca/ca.crt: a new CA, until 20\S+Z\.\nca/ca.key: its key, which is in no secret\.", first)
    assert re.match(r"ca/ca.crt: the CA, until 20\S+Z\.\n4 certificates until ", second)
    until, before = (datetime.fromisoformat(found) for found in re.findall(r"20\S+Z", second)[1:])
    assert until - before == timedelta(days=7)


def test_another_ca_is_trusted_beside_it_and_only_its_certificate_is_taken() -> None:
    Path("new.pem").write_bytes(OTHER_CA.key + OTHER_CA.certificate + b"a remark\n")
    (held, *_) = issued_secrets("--trust", "new.pem").values()
    assert held.ca == Path("ca/ca.crt").read_bytes() + OTHER_CA.certificate


def test_a_ca_below_another_signs_and_its_own_goes_along() -> None:
    now = datetime.now(UTC)
    above = CertificateAuthority.create("above", now - timedelta(days=1), now + timedelta(days=400))
    below = cross_signed(above, CA)
    Path("ca").mkdir()
    Path("ca/ca.crt").write_bytes(below + above.certificate)
    Path("ca/ca.key").touch(0o600)
    Path("ca/ca.key").write_bytes(CA.key)
    (held, *_) = issued_secrets().values()
    assert held.certificate.endswith(below)
    assert held.ca == below + above.certificate


def cross_signed(above: CertificateAuthority, below: CertificateAuthority) -> bytes:
    """A CA's certificate as another CA signs it, made by hand."""
    own, signer = (x509.load_pem_x509_certificate(one.certificate) for one in (below, above))
    builder = x509.CertificateBuilder(
        signer.subject, own.subject, own.public_key(), 1, above.since, above.until
    ).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    key: Any = load_pem_private_key(above.key, None)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


# ── Where it goes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_json_is_one_list_for_kubectl_with_the_same_in_it() -> None:
    told = json.loads(issue("--format", "json").stdout)
    assert (told["apiVersion"], told["kind"]) == ("v1", "List")
    assert {one["metadata"]["name"] for one in told["items"]} == {name for _, name in issued_secrets()}
    for one in told["items"]:
        ends = certificate(material_of(one)).not_valid_after_utc
        annotated = one["metadata"]["annotations"]["privacy.kannelle.com/certificate-not-after"]
        assert datetime.fromisoformat(annotated) == ends


def test_files_are_for_their_owner_only_and_another_run_puts_others_in_their_place() -> None:
    done = issue("--output", "out")
    found = sorted(Path("out").iterdir())
    assert [path.name for path in found] == [
        "crm.privacy-gateway-tls-api.yaml",
        "privacy-gateway.privacy-gateway-hub-tls.yaml",
        "video.privacy-gateway-tls-editor.yaml",
        "video.privacy-gateway-tls-studio.yaml",
    ]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}
    assert PRIVATE not in done.stdout + done.stderr
    assert "out/crm.privacy-gateway-tls-api.yaml: spiffe://cluster.local/ns/crm/sa/api\n" in done.stdout
    before = [path.read_bytes() for path in found]
    found[0].chmod(0o644)
    told = json.loads(issue("--output", "out", "--format", "json").stdout)
    assert all(path.read_bytes() != was for path, was in zip(found, before, strict=True))
    assert {path.stat().st_mode & 0o777 for path in Path("out").iterdir()} == {0o600}
    assert {one["file"] for one in told["certificates"]} == {str(path) for path in found}
    assert told["ca"]["made"] is False
