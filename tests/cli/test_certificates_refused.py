"""`certificates` says what is wrong with values, CA or call, and makes nothing of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from cryptography import x509

from gateway.cli.chart_values import OTHER_KEYS, Values, read_values
from gateway.tls.authority import CertificateAuthority
from tests.support.issued_secrets import VALUES, issue, issued_secrets, names
from tests.support.proxy_certificates import CA, new_ca

CHART: Final = Path(__file__).parents[2] / "helm" / "privacy-gateway"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ("trustDomian: a\n", "values.yaml:1: trustDomian: is not a key here"),
        ("trustDomain: Acme\n", "values.yaml:1: trustDomain: must be small letters, digits, dots"),
        (
            "\nnamespaces: [{name: Video, serviceAccounts: [a]}]",
            "values.yaml:2: namespaces[0].name: must be the name of",
        ),
        ("namespaces: [{name: video}]", "values.yaml:1: namespaces[0].serviceAccounts: is required"),
        ("namespaces: [{name: a, serviceAccounts: [b, b]}]", "namespaces[0].serviceAccounts[1]: is in the list twice"),
        (
            "namespaces:\n- {name: a, serviceAccounts: []}\n- {name: a, serviceAccounts: []}",
            "values.yaml:3: namespaces[1].name: is in the list twice",
        ),
        ("certificates: {mode: cert-manager, issuer: {name: a}}", "values.yaml:1: certificates.mode: must be existing"),
        ("certificates: {duration: 90d}", "certificates.duration: must be a whole number and its unit, h, m or s"),
        ("certificates: {ca: none}", "values.yaml:1: certificates.ca: must be one or more certificates in PEM"),
        (
            "certificates: {duration: 100h}",
            "certificateSeconds: the alert begins 7d before a certificate ends, and these",
        ),
        ("certificates: {duration: 99999h}", "ca/ca.crt: the CA ends 20"),
        ("namespaces: &a []\n", "values.yaml:1: anchors and aliases are not allowed; write it out"),
    ],
)
def test_bad_values_are_told_by_file_line_and_key_before_anything_is_made(values: str, text: str) -> None:
    done = issue(values=values)
    assert (done.exit_code, done.stdout, Path("ca").exists()) == (2, "", False)
    assert text in done.stderr


def test_a_later_file_of_values_goes_over_an_earlier_one_and_each_is_told_by_its_name() -> None:
    Path("more.yaml").write_text("trustDomain: acme.example\nnamespaces: [{name: web, serviceAccounts: [site]}]\n")
    assert [names(held) for held in issued_secrets("--values", "more.yaml").values()] == [
        ["privacy-gateway-hub.privacy-gateway.svc"],
        ["spiffe://acme.example/ns/web/sa/site"],
    ]
    Path("more.yaml").write_text("\ncertificates: {mode: csi-driver}")
    assert "more.yaml:2: certificates.mode: must be existing" in issue("--values", "more.yaml").stderr


def test_a_ca_in_the_values_must_be_the_one_that_signs() -> None:
    indented = CA.certificate.decode().replace("\n", "\n    ")
    values = f"certificates:\n  ca: |\n    {indented}\n"
    assert "certificates.ca: is the CA that hub and agents trust, and ca has none yet" in issue(values=values).stderr
    assert not Path("ca").exists()
    issued_secrets()
    assert "certificates.ca: is the CA that hub and agents trust, and ca has another" in issue(values=values).stderr
    Path("ca/ca.crt").write_bytes(CA.certificate)
    Path("ca/ca.key").write_bytes(CA.key)
    assert len(issued_secrets(values=values)) == 1


def forget(name: str) -> None:
    Path("ca", name).unlink()


def dangle(name: str) -> None:
    forget(name)
    Path("ca", name).symlink_to("nowhere")


def content() -> dict[Path, bytes]:
    """What is in the CA's folder; a link that leads nowhere holds nothing."""
    return {path: path.read_bytes() if path.exists() else b"" for path in Path("ca").iterdir()}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda: forget("ca.key"), "ca/ca.key: isn't there, but its other half is"),
        (lambda: forget("ca.crt"), "ca/ca.crt: isn't there, but its other half is"),
        (lambda: dangle("ca.crt"), "ca/ca.crt: can't be read: No such file or directory"),
        (lambda: dangle("ca.key"), "ca/ca.key: can't be read: No such file or directory"),
        (lambda: Path("ca/ca.key").chmod(0o640), "ca/ca.key: is open to others, by its mode 0640: chmod 600"),
        (lambda: Path("ca/ca.key").write_bytes(new_ca().key), "ca/ca.key: doesn't fit the certificate"),
        (lambda: Path("ca/ca.key").write_bytes(b"x"), "ca/ca.key: must be a private key in PEM"),
        (lambda: Path("ca/ca.crt").write_bytes(b"x"), "ca/ca.crt: must be one or more certificates in PEM"),
        (lambda: put(issued_by_ca()), "ca/ca.crt: is no CA's certificate: it may not sign others"),
        (
            lambda: put(expired_ca()),
            "ca/ca.crt: isn't good now: it is from 2020-01-01T00:00:00Z until 2021-01-01T00:00:00Z",
        ),
    ],
    ids=[
        "no key",
        "no certificate",
        "a link for a certificate",
        "a link for a key",
        "open",
        "another key",
        "no key in it",
        "no certificate in it",
        "a leaf",
        "expired",
    ],
)
def test_a_ca_that_cannot_sign_is_told_and_stays_as_it_is(change: Callable[[], object], text: str) -> None:
    issued_secrets()
    change()
    before = content()
    done = issue()
    assert (done.exit_code, done.stdout) == (2, "")
    assert text in done.stderr
    assert content() == before


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o720, 0o702])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_folder_that_others_may_write_to_has_no_ca_that_signs(mode: int, is_new: bool) -> None:
    Path("ca").mkdir() if is_new else issued_secrets()
    Path("ca").chmod(mode)
    before = content()
    done = issue()
    text = f"ca: others may put a CA of theirs there, by its mode {mode:04o}: chmod 700 leaves it to its owner"
    assert (done.exit_code, done.stdout, content()) == (2, "", before)
    assert text in done.stderr
    Path("ca").chmod(0o700)
    assert issued_secrets()


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o500])
def test_a_folder_that_others_may_only_read_is_good_for_a_ca(mode: int) -> None:
    made = issued_secrets()
    Path("ca").chmod(mode)
    assert issued_secrets().keys() == made.keys()
    Path("ca").chmod(0o700)


def put(pair: tuple[bytes, bytes]) -> None:
    for name, content in zip(("ca.crt", "ca.key"), pair, strict=True):
        Path("ca", name).write_bytes(content)


def issued_by_ca() -> tuple[bytes, bytes]:
    held = CA.issue((x509.DNSName("a.example"),), CA.since, CA.until)
    return held.certificate, held.key


def expired_ca() -> tuple[bytes, bytes]:
    made = CertificateAuthority.create("old", datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    return made.certificate, made.key


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-n", "Video"), "--namespace must be the name of a namespace"),
        (("--trust", "values.yaml"), "values.yaml: must be one or more certificates in PEM"),
        (("--days", "0"), "0 is not in the range 1<=x<=36500"),
        (("--days", "5000"), "ca/ca.crt: the CA ends 20"),
        (("--output", "values.yaml"), "Directory 'values.yaml' is a file"),
        (("--ca", "values.yaml"), "Directory 'values.yaml' is a file"),
        (("--ca", "a\0b"), "must not hold a NUL."),
        (("--ca", "a" * 300), "can't be read: File name too long."),
        (("--ca", "/proc/nothing"), "/proc/nothing/ca.key: can't be written: "),
    ],
)
def test_a_wrong_call_is_told_and_makes_nothing(arguments: tuple[str, ...], text: str) -> None:
    done = issue(*arguments)
    assert (done.exit_code, done.stdout, Path("ca").exists()) == (2, "", False)
    assert text in done.stderr


def test_private_keys_are_not_printed_on_a_terminal() -> None:
    Path("values.yaml").write_text(VALUES)
    ours, theirs = os.openpty()
    command = (sys.executable, "-m", "gateway", "certificates", "--values", "values.yaml", "-n", "a", "--ca", "ca")
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(theirs)
    os.close(ours)
    assert (done.returncode, Path("ca").exists()) == (2, False)
    assert b"Private keys aren't printed on a terminal" in done.stderr


# ── The chart's values are read as the chart has them ─────────────────────────────────────────────────────────────────


def schema(*keys: str) -> Any:
    found = json.loads((CHART / "values.schema.json").read_text())
    for key in keys:
        found = found["properties"][key]
    return found


@pytest.mark.parametrize("keys", OTHER_KEYS, ids=".".join)
def test_every_key_of_the_values_is_read_or_known_to_be_the_charts_alone(keys: tuple[str, ...]) -> None:
    read: Any = msgspec.to_builtins(Values())
    for key in keys:
        read = read[key]
    assert set(schema(*keys)["properties"]) == OTHER_KEYS[keys] | set(read)
    assert OTHER_KEYS[keys].isdisjoint(read)


def test_values_that_are_not_said_are_the_charts_own() -> None:
    assert read_values([CHART / "values.yaml"])[0] == Values()
