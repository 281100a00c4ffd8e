"""Detectors: what is found, what is left alone, and what masking leaves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.detectors.budget import MAX_TEXT_CHARS
from gateway.detectors.detect import find, find_number, mask
from gateway.errors import FieldReason, Reason

EMAIL = FieldReason.LOOKS_LIKE_EMAIL
PHONE = FieldReason.LOOKS_LIKE_PHONE
IP = FieldReason.LOOKS_LIKE_IP_ADDRESS
CARD = FieldReason.LOOKS_LIKE_CARD
NATIONAL_ID = FieldReason.LOOKS_LIKE_NATIONAL_ID
IBAN = FieldReason.LOOKS_LIKE_IBAN
COORDINATES = FieldReason.LOOKS_LIKE_COORDINATES
SECRET = FieldReason.LOOKS_LIKE_SECRET
UNREADABLE = FieldReason.UNREADABLE

FINDINGS = [
    ("alice@acme.com", EMAIL, "[EMAIL]"),
    ("Alice <alice@acme.com>", EMAIL, "Alice <[EMAIL]>"),
    ("to alice@acme.com, bob@acme.com.", EMAIL, "to [EMAIL], [EMAIL]."),
    ('{"email":"alice@acme.com"}', EMAIL, '{"email":"[EMAIL]"}'),
    (r"{\"email\":\"alice\u0040acme.com\"}", EMAIL, r"{\"email\":\"[EMAIL]\"}"),
    ("https://x.example/?e=alice%40acme.com&n=1", EMAIL, "https://x.example/?e=[EMAIL]&n=1"),
    ("https://alice:secret@host.example/", SECRET, "https://[SECRET]/"),
    ('"a b"@acme.com', EMAIL, "[EMAIL]"),
    ("alice@[10.0.0.1]", EMAIL, "[EMAIL]"),
    ("alice@[IPv6:fe80::1]", EMAIL, "[EMAIL]"),
    ("alice@10.0.0.1", EMAIL, "[EMAIL]"),
    ("alice @ acme.com", EMAIL, "[EMAIL]"),
    ("alice(comment)@acme.com", EMAIL, "[EMAIL]"),
    ("alice<b>@</b>acme.com", EMAIL, "[EMAIL]"),
    ("alice@@acme.com", EMAIL, "[EMAIL]"),
    ('<a href="mailto:alice%40acme.com">', EMAIL, '<a href="mailto:[EMAIL]">'),
    ("<a (at) acme [dot] com>", EMAIL, "<[EMAIL]>"),
    ("\u7528\u6237@\u4f8b\u5b50.\u516c\u53f8", EMAIL, "[EMAIL]"),
    ("alice\u24d0acme.com", EMAIL, "[EMAIL]"),
    ("logged in: usr_YWxpY2VAYWNtZS5jb20", EMAIL, "logged in: [EMAIL]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImFsaWNlQGFjbWUuY29tIn0.c2ln", SECRET, "[SECRET]"),
    ("am9z6UBhY21lLmNvbQ==", EMAIL, "[EMAIL]=="),
    ("alice\u202e@acme.com", EMAIL, "[EMAIL]"),
    ("call +33 6 12 34 56 78 now", PHONE, "call [PHONE] now"),
    ("tel:+33612345678", PHONE, "tel:[PHONE]"),
    ("+33 (0)6 12 34 56 78", PHONE, "[PHONE]"),
    ("+33.6.12.34.56.78", PHONE, "[PHONE]"),
    ("00 33 6 12 34 56 78", PHONE, "[PHONE]"),
    ("33 6 12 34 56 78", PHONE, "[PHONE]"),
    ("33612345678", PHONE, "[PHONE]"),
    ("+33712345678,+33612345678", PHONE, "[PHONE],[PHONE]"),
    ("06 12 34 56 78", PHONE, "[PHONE]"),
    ("06.12.34.56.78", PHONE, "[PHONE]"),
    ("06-12-34-56-78", PHONE, "[PHONE]"),
    ("06+12+34+56+78", PHONE, "[PHONE]"),
    ("0 6 1 2 3 4 5 6 7 8", PHONE, "[PHONE]"),
    ("0612345678", PHONE, "[PHONE]"),
    ("phone_0612345678", PHONE, "phone_[PHONE]"),
    ("6 12 34 56 78", PHONE, "[PHONE]"),
    ("612345678", PHONE, "[PHONE]"),
    ("(01) 42 34 56 78", PHONE, "[PHONE]"),
    ("087 123 4567", PHONE, "[PHONE]"),
    ("+353 (0)87 123 4567", PHONE, "[PHONE]"),
    ("0470 12 34 56", PHONE, "[PHONE]"),
    ("02 555 12 12", PHONE, "[PHONE]"),
    ("0171/1234567", PHONE, "[PHONE]"),
    ("030 90182000", PHONE, "[PHONE]"),
    ("020 7946 0958", PHONE, "[PHONE]"),
    ("(415) 555-2671", PHONE, "[PHONE]"),
    ("4155552671", PHONE, "[PHONE]"),
    ("+39 06 1234 5678", PHONE, "[PHONE]"),
    ("\u0660\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", PHONE, "[PHONE]"),
    ("MDYxMjM0NTY3OA", PHONE, "[PHONE]"),
    ("from 10.0.0.1:8080", IP, "from [IP]:8080"),
    ("1.2.3.4", IP, "[IP]"),
    ("10[.]0[.]0[.]1", IP, "[IP]"),
    ("ip-10-0-0-1.ec2.internal", IP, "[IP].ec2.internal"),
    ("fe80::1%eth0", IP, "[IP]%eth0"),
    ("::1", IP, "[IP]"),
    ("2001:db8::8a2e:370:7334/64", IP, "[IP]/64"),
    ("::ffff:10.0.0.1", IP, "[IP]"),
    ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", IP, "[IP]"),
    ("4111111111111111", CARD, "[CARD]"),
    ("4111 1111 1111 1111 12/27 123", CARD, "[CARD] 12/27 123"),
    ("pan=5555-5555-5555-4444;", CARD, "pan=[CARD];"),
    ("3782 822463 10005", CARD, "[CARD]"),
    ("2223003122003222", CARD, "[CARD]"),
    ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", CARD, "[CARD]"),
    ("FR76 3000 6000 0112 3456 7890 189 is it", IBAN, "[IBAN] is it"),
    ("FR7630006000011234567890189", IBAN, "[IBAN]"),
    ("gb29nwbk60161331926819", IBAN, "[IBAN]"),
    ("IBAN:BE68-5390-0754-7034", IBAN, "IBAN:[IBAN]"),
    ("MT84MALT011000012345MTLCAST001S", IBAN, "[IBAN]"),
    ("at 48.8577,2.2951", COORDINATES, "at [COORDINATES]"),
    ("[2.2945, 48.8584]", COORDINATES, "[[COORDINATES]]"),
    ("48.8577 2.2951", COORDINATES, "[COORDINATES]"),
    ("48,8577; 2,2951", COORDINATES, "[COORDINATES]"),
    ("geo:48.85,2.35", COORDINATES, "[COORDINATES]"),
    ("/maps?q=48.85,2.35", COORDINATES, "/maps?[COORDINATES]"),
    ('{"lat": 48.85, "lng": 2.29}', COORDINATES, '{"[COORDINATES]}'),
    ("48\u00b051'29\" 2\u00b017'40\"", COORDINATES, "[COORDINATES] [COORDINATES]"),
    ("48.8577\u00b0 N", COORDINATES, "[COORDINATES]"),
    ("+48.8577+002.2950/", COORDINATES, "[COORDINATES]/"),
    ("a\x00b", UNREADABLE, "a\ufffdb"),
    ("\u202eabc", UNREADABLE, "\ufffdabc"),
    ("\x1b[31mred", UNREADABLE, "\ufffd[31mred"),
    ("flag \U0001f3f4\U000e0067\U000e0062", UNREADABLE, "flag \U0001f3f4\ufffd\ufffd"),
    ("\ue000\ud800", UNREADABLE, "\ufffd\ufffd"),
]


@pytest.mark.parametrize(("text", "reason", "masked"), FINDINGS)
def test_personal_data_is_found_and_masked(text: str, reason: Reason, masked: str) -> None:
    assert find(text) is reason
    assert mask(text) == masked


CLEAN = """
h264 hevc GET /v1/videos/{id} eu-west-3 kannelle.video.v1 TLSv1.3 http/2 usr_8f3kq2 1920x1080 4K60 30fps v1.2.3 1.2.3 1.2.3-rc.1+build.456
1.0.0-alpha+20261123101530 2026-11-23 20261123 20261123T101530Z 20261123101530 2026112310 202611231015 2026-W47 10:15:30 10:15:30.123456789
2026-11-23T10:15:30Z 2026-11-23T10:15:30.061234567+01:00 123e4567-e89b-12d3-a456-426614174000 00000000-0000-4000-8000-00000000000a
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 d670460b4b4aece5915caf5c68d12f560a9fe3e4
00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 gateway.detectors.detect application/json text/html;charset=utf-8
kannelle.privacy.v1.ActivityLogService/Record std::vector a::b test_x.py::TestA::test_1 Europe/Paris UTC+02:00 en-US fr_FR.UTF-8
1732359330 1732359330123 1732359330123456 1732359330123456789 1732359330.123456 1732359330.061234567 3.14159 0.123456789 0.612345678 100%
a=b&c=d x[0] p99=12.5ms 1/2 __init__ C:\\Users\\x \\d+ &nbsp; R&D python@3 image@sha256:abcdef nginx:1.25.3 4.8.4682.0 bytes=0-1023
W/"67ab43" max-age=31536000 ERR_CONNECTION_REFUSED Linux-5.15.0-91-generic-x86_64 k8s_pod-7d9f8b6c5d-x2x4z exp_2024_q4_checkout
---------------- ________________ ================ aaaaaaaaaaaaaaaaaaaaaaaa 0000000000000000 1111111111111111 123456789 1234567890
[EMAIL] [PHONE] [IP] [CARD] [IBAN] [COORDINATES] [ID] [SECRET] [MAC] [REDACTED] 0x7fffffffffff 20\u00b0C
""".split()


@pytest.mark.parametrize(
    "text",
    [*CLEAN, "", " ", "2026-11-23 10:15:30,123 INFO started", "2026-01-02 03:04:05.678901", "01/02/2026 10:15",
     "meet at noon",
     "at this point in time", "export took 12.5 s at 30 fps", ("rpc error: code = "
                                                              "Unavailable"), "loss 0.123, 0.456", "12.50, 99.90",
     "20 \u00b0C",
     "Gr\u00f6\u00dfe", "\u65e5\u672c\u8a9e", "\U0001f600\U0001f44d\U0001f3fd", "tab\tnew\r\nline",
     "1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
     "[EMAIL] called [PHONE] from [IP]"],
)  # fmt: skip
def test_what_is_not_personal_is_left_alone(text: str) -> None:
    assert find(text) is None
    assert mask(text) == text


@settings(deadline=None)
@given(
    second=st.integers(978_307_200, 4_102_444_799),
    form=st.sampled_from(["%Y-%m-%dT%H:%M:%SZ", "%d/%m/%Y %H:%M", "%Y%m%d%H%M%S"]),
)
def test_times_are_left_alone(second: int, form: str) -> None:
    assert find(datetime.fromtimestamp(second, UTC).strftime(form)) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (612345678, PHONE),
        (-612345678, PHONE),
        (612345678.0, PHONE),
        (871234567, PHONE),
        (470123456, PHONE),
        (15123456789, PHONE),
        (33612345678, PHONE),
        (33142345678, PHONE),
        (353871234567, PHONE),
        (32470123456, PHONE),
        (4915123456789, PHONE),
        (14155552671, PHONE),
        (447911123456, PHONE),
        (4111111111111111, CARD),
        (5555555555554444, CARD),
        (378282246310005, CARD),
        (30569309025904, CARD),
        (6011111111111117, CARD),
        (3530111333300000, CARD),
        (185057800608491, NATIONAL_ID),
        (-185057800608491, NATIONAL_ID),
        (185057800608491.0, NATIONAL_ID),
        (7569217076985, NATIONAL_ID),
        (7569217076984, None),
        (185057800608492, None),
        (4111111111111112, None),
        (142345678, None),
        (99999999, None),
        (0, None),
        (2**31 - 1, None),
        (2**32, None),
        (2**53, None),
        (2**63 - 1, None),
        (2**64, None),
        (10**100, None),
        (True, None),
        (612345678.5, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_phone_card_and_identity_numbers_are_found_in_numbers(value: float, reason: Reason | None) -> None:
    assert find_number(value) is reason


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
@settings(deadline=None)
@given(second=st.integers(1_009_843_200, 1_988_150_399), part=st.integers(0, 10**9 - 1))
def test_the_time_from_2002_to_2032_is_no_phone_number(unit: int, second: int, part: int) -> None:
    assert find_number(second * unit + part % unit) is None


def test_numbers_may_have_any_size() -> None:
    assert find_number(10**5000) is None


@pytest.mark.parametrize(
    ("line", "label"), [("Ada +33 6 12 34 56 {:02}", "Ada [PHONE]"), ("ada{}@acme.example", "[EMAIL]")]
)
@pytest.mark.parametrize("between", ["\n", ", ", "; "])
def test_a_list_of_people_is_masked_one_by_one(line: str, label: str, between: str) -> None:
    assert mask(between.join(line.format(number) for number in range(60))) == between.join([label] * 60)


def test_what_takes_too_much_work_is_unreadable() -> None:
    for text in ("x" * (MAX_TEXT_CHARS + 1), "+1 22 " * 20_000):
        assert find(text) is UNREADABLE
        assert mask(text) == "[REDACTED]"


@settings(deadline=None)
@given(
    text=st.text(st.characters(), max_size=60) | st.text("aZ09@.%&\\=#;x+-_/ ()[]\"'\u200b\uff20\u0660", max_size=60)
)
@example("[EMAIL]@acme.com")
@example("a@b.co@c.de")
@example("\ud800")
def test_any_text_is_judged_and_masked_for_good(text: str) -> None:
    masked = mask(text)
    assert find(masked) is None
    assert mask(masked) == masked
    assert (masked == text) == (find(text) is None)
