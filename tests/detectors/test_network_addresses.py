"""IP and MAC addresses: found whatever touches them and whatever stands between their numbers.

Versions, times and names stay.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from random import Random

import pytest

from gateway.detectors.detect import find
from gateway.errors import FieldReason
from gateway.model import Detector
from tests.detectors.labels import with_labels

IP = FieldReason.LOOKS_LIKE_IP_ADDRESS
MAC = FieldReason.LOOKS_LIKE_MAC_ADDRESS
SOUGHT = (Detector.MAC, Detector.IP)

ADDRESSES = [
    ("203.0.113.77", "[IP]"),
    ("203.0.113.77:443", "[IP]:443"),
    ("203-0-113-77", "[IP]"),
    ("203-0-113-77:443", "[IP]:443"),
    ("203_0_113_77", "[IP]"),
    ("203:0:113:77", "[IP]"),
    ("203/0/113/77", "[IP]"),
    ("203:0/113_77", "[IP]"),
    ("203.0-113.177", "[IP]"),
    ("host-203-0-113-77", "host-[IP]"),
    ("web1-203-0-113-77", "web1-[IP]"),
    ("x203_0_113_77y", "x[IP]y"),
    ("/v1/203-0-113-77/x", "/v1/[IP]/x"),
    ("7-203.0.113.77", "7-[IP]"),
    ("203.0.113.77-5", "[IP]-5"),
    ("203.0.113.77.203.0.113.78", "[IP]"),
    ("317:114-238-109-152", "317:[IP]"),
    ("114_238_109_152-5", "[IP]-5"),
    ("0313.0.0161.0115", "[IP]"),
    ("0xcb.0x0.0x71.0x4d", "[IP]"),
    ("ip-10-0-1-23.ec2", "[IP].ec2"),
    ("ip-10-0-0-1.ec2", "[IP].ec2"),
    ("77.113.0.203.in-addr.arpa", "[IP].in-addr.arpa"),
    ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[IP]"),
    ("2001:db8:85a3:1:2:8a2e:370:7334:443", "[IP]:443"),
    ("[2001:db8:85a3:1:2:8a2e:370:7334]:443", "[[IP]]:443"),
    ("2001-db8-85a3-1-2-8a2e-370-7334", "[IP]"),
    ("2001_db8_85a3_1_2_8a2e_370_7334", "[IP]"),
    ("2001/db8:85a3_1-2/8a2e-370:7334", "[IP]"),
    ("cafe2001:db8:85a3:1:2:8a2e:370:7334z", "cafe[IP]z"),
    ("id:2001:db8:85a3:1:2:8a2e:370:7334", "id:[IP]"),
    ("face:2001:0db8:85a3:0000:0000:8a2e:0370:7334", "face:[IP]"),
    ("2001:db8::8a2e:370:7334", "[IP]"),
    ("2001:db8::8a2e:370:7334/64", "[IP]/64"),
    ("cafe2001:db8::7334", "cafe[IP]"),
    ("user2001:db8::8a2e:370:7334zed", "user[IP]zed"),
    ("ad:2001:db8:1:2:3:4::6", "ad:[IP]"),
    ("2001-db8--8a2e-370-7334", "[IP]"),
    ("2001_db8__8a2e_7334", "[IP]"),
    ("fe80::1%eth0", "[IP]%eth0"),
    ("fe80::", "[IP]"),
    ("::1", "[IP]"),
    ("::ffff:10.0.0.1", "[IP]"),
    ("b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "[IP]"),
]  # fmt: skip

CARDS = [
    ("00:1a:2b:3c:4d:5e", "[MAC]"),
    ("00-1A-2B-3C-4D-5E", "[MAC]"),
    ("00_1a_2b_3c_4d_5e", "[MAC]"),
    ("00:1a-2b/3c_4d:5e", "[MAC]"),
    ("00:11:22:33:44:55", "[MAC]"),
    ("001a.2b3c.4d5e", "[MAC]"),
    ("mac001a.2b3c.4d5ex", "mac[MAC]x"),
    ("cafe00:1a:2b:3c:4d:5e", "cafe[MAC]"),
    ("eth0-00-1a-2b-3c-4d-5ezed", "eth0-[MAC]zed"),
    ("jzrbf_77/8e/28/fe/7b/14t", "jzr[MAC]t"),
    ("02-00-5e-ff-fe-00-53-01", "[MAC]"),
    ("a0:00:6a:fa:be:fc-75002", "[MAC]-75002"),
    ("75002-a0:00:6a:fa:be:fc", "75002-[MAC]"),
    ("fa:be:bb:ff:30:4a/2026-11-29", "[MAC]/2026-11-29"),
    ("fa:be:bb:ff:30:4a-12-34-56-78", "[MAC]-[IP]"),
    ("0:1a:2b:3c:4d:5e", "[MAC]"),
]

CLEAN = """
1.2.3 v1.2.3.rc1 5.15.0-91 5.15.0-101-generic 1.2.3-4 1.25.3-2 1.8.0_202 1:10.11.6-0+deb12u1 2:1.2.3 1.25.3_1.30.2 3.12_3.13 16.9/9.0
1-2-3-4 1/2/3/4 v1_2_3_4 1:1:1:1 01:02:03:04 23:59:59:24 10:15:30.123 10:15-12:30 2026-11-23-10-15
2026/11/23/10 1-203-0-113-77 203-0-113-77-5
1.2.3.4.5 300-1-113-77 2024.11.23.10 6897964546-10-20-30
std::vector a::b base64::decode x86_64::cpu kannelle_v1::decode h264::decoder sha2::Sha256 test_x.py::TestA::test_1 crate::a1::b2
utf8::decode tokio::net::TcpStream core::num::f64::consts ::std::fs v1::v2 10:15:30 1:2:3 a:b:c:d:e:f:a:b
123e4567-e89b-12d3-a456-426614174000 123e4567-e89b-12d3-a456-426614174000/123e4567-e89b-12d3-a456-426614174000
ab-cd-ef-ab-cd-ef-ab-cd exp_2024_11_23__a1_b2 2026-11-23--abc 26-11-23-10-15-30 created_at__gte __init__ step1--step2
editor-6897964546-96chb 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
d670.4b4a.ece5.915c aa:bb:cc 1234.5678.9012 12-34-56-78-90-12
SHA256:43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8:43:51:43:12:34:56:78:b7:0a:3a:a9:b1:0f:66:73:a8
43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8 43:51:12:34:56:78:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8
""".split()


@pytest.mark.parametrize(("text", "masked"), ADDRESSES)
def test_an_ip_address_is_found_however_it_is_written(text: str, masked: str) -> None:
    assert find(text, SOUGHT) is IP
    assert with_labels(text, SOUGHT) == masked


@pytest.mark.parametrize(("text", "masked"), CARDS)
def test_a_mac_address_is_found_however_it_is_written(text: str, masked: str) -> None:
    assert find(text, SOUGHT) is MAC
    assert with_labels(text, SOUGHT) == masked


@pytest.mark.parametrize("text", CLEAN)
def test_versions_times_names_and_digests_are_no_address(text: str) -> None:
    assert find(text, SOUGHT) is None


def ipv4(random: Random) -> list[str]:
    return str(IPv4Address(random.getrandbits(32))).split(".")


def ipv6(random: Random) -> list[str]:
    spelling = random.choice((lambda address: address.exploded, str))
    return str(spelling(IPv6Address(random.getrandbits(128)))).split(":")


def mac(random: Random) -> list[str]:
    return [f"{random.getrandbits(8):02x}" for _ in range(6)]


def letters(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=random.randint(0, 8)))


def spellings(parts: list[str], random: Random) -> Iterator[str]:
    """Each separator alone, and all mixed, with letters on both sides."""
    for separator in ":/_-":
        yield letters(random) + separator.join(parts) + letters(random)
    yield (
        letters(random) + "".join(f"{part}{random.choice(':/_-')}" for part in parts[:-1]) + parts[-1] + letters(random)
    )


@pytest.mark.parametrize("make", [ipv4, ipv6, mac])
def test_nearly_all_addresses_are_found_in_each_spelling(make: Callable[[Random], list[str]]) -> None:
    random = Random(make.__name__)
    tokens = [token for _ in range(1000) for token in spellings(make(random), random)]
    missed = [token for token in tokens if find(token, SOUGHT) is None]
    assert len(missed) <= len(tokens) / 200, missed[:20]


def test_no_uuid_and_no_fingerprint_is_an_address() -> None:
    random = Random("digests")
    uuids = [str(uuid.UUID(int=random.getrandbits(128), version=4)) for _ in range(1000)]
    prints = [random.randbytes(size).hex(":") for size in (16, 20, 32) for _ in range(300)]
    assert [text for text in (*uuids, *prints) if find(text, SOUGHT)] == []
