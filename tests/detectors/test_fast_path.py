"""The short way may only say yes where the detectors find nothing."""

from __future__ import annotations

import base64
import string
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.decode import decodings
from gateway.detectors.detect import SCANS
from gateway.detectors.fast_path import hides_nothing

SECRETS = (
    "a@b.fr",
    "alice@acme.example",
    "+33153010456",
    "0153010456",
    "06:12/34_56-78",
    "612-345-678",
    "192.168.1.10",
    "fe80::1:2",
    "4111111111111111",
    "203_0_113_77",
    "203/0/113/77",
    "6-53-5-44",
    "2001/db8/85a3/1/2/8a2e/370/7334",
    "2001_db8__8a2e_7334",
    "00/1a/2b/3c/4d/5e",
    "001a.2b3c.4d5e",
    "48.8566_2.3522",
    "48.8566longitude102.3522",
    "ada:at:acme.com",
    "u0061u0040u0061u002eu0066u0072",
    "61/40/62/2e/66/72",
    "a_x0040_b.fr",
    "48.8566,2.3522",
    "FR7630006000011234567890189",
)
ENCODINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    lambda text: base64.urlsafe_b64encode(text.encode("utf-16-le")).decode().rstrip("="),
    lambda text: base64.b32encode(text.encode()).decode().rstrip("="),
    lambda text: base64.b32encode(text.encode()).decode().rstrip("=").lower(),
    lambda text: text.encode().hex(),
    lambda text: text.replace("@", "_at_").replace(".", "_dot_"),
    lambda text: text.replace("@", "-at-"),
    lambda text: text.replace("@", "\uff20"),
    lambda text: base64.urlsafe_b64encode(text.replace("@", "\ufe6b").encode()).decode().rstrip("="),
)
TECHNICAL = """
9b2f0d9e-1a4c-4f7b-8e3d-0c5a9f81d2e7 usr_9b2f0d9e-1a4c-4f7b-8e3d-0c5a9f81d2e7 d670460b4b4aece5915caf5c68d12f560a9fe3e4 2026-11-23T10:15:30Z
service.d670460b4b4aece5915caf5c68d12f560a9fe3e4 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 01ARZ3NDEKTSV4RRFFQ69G5FAV
v0.0.0-20191109021931-daa7c04131f5 20261123T101530Z 10:15:30.123456789 kannelle-2026-11-23.log 4bf92f3577b34da6a3ce929d0e0e4736
""".split()
ALPHABET = string.ascii_letters + string.digits + "._:/-"
noise = st.text(ALPHABET, max_size=6)
hidden = st.builds(
    lambda before, encode, secret, after: before + encode(secret) + after,
    noise,
    st.sampled_from(ENCODINGS),
    st.sampled_from(SECRETS),
    noise,
)
hexadecimal = st.sampled_from([12, 16, 24, 32, 40, 64]).flatmap(
    lambda size: st.text("0123456789abcdef", min_size=size, max_size=size)
)
technical = st.one_of(
    hexadecimal,
    st.uuids(version=4).map(str),
    st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=24, max_size=24).map("01{}".format),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.sampled_from(
        ["20191109021931-daa7c04131f5", "10:15:30.061234567", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
    ),
)
few_digits = st.builds(
    lambda before, parts, separator, after: before + separator.join(parts) + after,
    st.sampled_from(["", "usr_", "ssn", "NIR:", "a.taj-nr.", "passport_no_", "id"]),
    st.lists(st.text("0123456789", min_size=1, max_size=8), min_size=1, max_size=5),
    st.sampled_from("._:/-"),
    st.sampled_from(["", "Z", "-T", "x", ".B"]),
)
# Hextets of addresses, also with one left out, and separators.
hextets = st.lists(
    st.sampled_from(["2001", "2a01", "fe80", "fd00", "db8", "0", "1", "7", "ab", "::", "--", ":", "-", "_", "/"]),
    max_size=12,
).map("".join)
among = st.lists(st.one_of(technical, hidden, noise, st.sampled_from(ALPHABET)), max_size=3).map("".join)


@given(st.one_of(hidden, among, few_digits, hextets, st.text(ALPHABET, max_size=64)))
@settings(max_examples=2000)
def test_an_innocent_token_has_no_finding(text: str) -> None:
    if hides_nothing(text):
        assert not [reason for decoding in decodings(text) for reason, scan in SCANS.items() for _ in scan(decoding)]


@pytest.mark.parametrize("secret", SECRETS[:2])
@pytest.mark.parametrize("encode", ENCODINGS, ids=map(str, range(len(ENCODINGS))))
@pytest.mark.parametrize("before", ["", "x", "usr_", "ab.", "abc"])
def test_an_address_is_never_innocent(secret: str, encode: Callable[[str], str], before: str) -> None:
    assert not hides_nothing(before + encode(secret))


@pytest.mark.parametrize(
    "text",
    [
        "GET",
        "h264",
        "v1.2.3",
        "eu-west-3",
        "usr_8f3kq2",
        "request.completed",
        "WORKSPACE_ROLE_EDITOR",
        "text/plain",
        *TECHNICAL,
    ],
)
def test_the_usual_tokens_take_the_short_way(text: str) -> None:
    assert hides_nothing(text)
