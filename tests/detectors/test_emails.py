"""E-mail addresses in text: whatever stands for the at sign, and what only looks like one."""

from __future__ import annotations

import re
from base64 import b64encode
from random import Random

import pycountry
import pytest

from gateway.detectors import data
from gateway.detectors.detect import find, mail_domains, mask
from gateway.detectors.emails import emails
from gateway.errors import FieldReason
from gateway.model import Detector
from tests.detectors.labels import with_labels

ADDRESSES = [
    ("ada_at_acme.com", "[EMAIL]"),
    ("ada-at-acme.com", "[EMAIL]"),
    ("ada at acme.com", "[EMAIL]"),
    ("ada.byron AT acme DOT com", "[EMAIL]"),
    ("Ada.Byron AT acme.co.uk", "[EMAIL]"),
    ("ada:at:acme.com", "[EMAIL]"),
    ("ada/at/acme.com", "[EMAIL]"),
    ("ada-at_acme.com", "[EMAIL]"),
    ("ada arobase acme.fr", "[EMAIL]"),
    ("xada_at_acme.comxyz", "[EMAIL]"),
    ("x-ada_at_acme.com-x", "[EMAIL]"),
    ("mail ada at video.acme.fr, please", "mail [EMAIL], please"),
    ("meet at acme.com", "[EMAIL]"),
    ("ada at acme.com (soon)", "[EMAIL] (soon)"),
    ("ada_at_acme.com(soon)", "[EMAIL](soon)"),
    ("annau0040acme.com", "[EMAIL]"),
    ("u0061u006eu006eu0061u0040u0061u0063u006du0065u002eu0063u006fu006d", "[EMAIL]"),
    ("anna_x0040_acme.com", "[EMAIL]"),
    ("61/6e/6e/61/40/61/63/6d/65/2e/63/6f/6d", "[EMAIL]"),
    ("97 110 110 97 64 97 99 109 101 46 99 111 109", "[EMAIL]"),
    ("[97,110,110,97,64,97,99,109,101,46,99,111,109]", "[[EMAIL]]"),
    ("97-110-110-97-64-97-99-109-101-46-99-111-109", "[EMAIL]"),
]
CLEAN = [
    "at this point in time",
    "look at main.rs",
    "look at main.py and notes.md",
    "failed at com.kannelle.Main.run",
    "meet at noon",
    "error-at-line-3",
    "rate_at_p99.9",
    "created_at_2026.11",
    "at Object.run (file.js:3:1)",
    "TypeError: x is undefined at Layer.is (router.js:3:1)",
    "Error\n    at Route.it (file.js:3:1)\n    at async Foo.info (file.js:4:1)",
    "failed at Layer.is (<anonymous>)",
    "java.lang.IllegalStateException: no\n\tat com.kannelle.video.Exporter.run(Exporter.java:12)",
    "stopped at 10.5 s",
    "stopped at order.id",
    "cat_and_hat.com",
    "97 110 110 97 98 97 99 109 101 46 99 111 109",
    "64 65 66 67 68 69 70",
    "fou0061bar",
    "main.write_at_offset.func1",
    "main.(*Reader).read_at_offset.func1.2",
    "look_at_me.go",
    "kannelle.example/video/look_at_me.go",
    "video-at-edge.prod.svc.cluster.local:8080",
    "failed_at_com.example.video.Main.run",
    "failed at org.example.video.Main.run",
    "stopped at config.network.timeout",
    "at net.example.video.Exporter.run(Exporter.java:12)",
    "io.ReadAtLeast.func1",
    "main.parseATag.app2.func1",
    "main.stop_at_end_of_file.func1",
]


@pytest.mark.parametrize(("text", "masked"), ADDRESSES)
def test_an_address_is_found_whatever_stands_for_its_sign(text: str, masked: str) -> None:
    assert find(text, (Detector.EMAIL,)) is FieldReason.LOOKS_LIKE_EMAIL
    assert with_labels(text, (Detector.EMAIL,)) == masked


@pytest.mark.parametrize("text", CLEAN)
def test_places_in_code_and_plain_sentences_are_no_address(text: str) -> None:
    assert find(text, (Detector.EMAIL,)) is None


SIGNS = [
    "_at_",
    "-at-",
    " at ",
    "(at)",
    " [at] ",
    "/at/",
    ":at:",
    "+at+",
    "_AT_",
    "AT",
    "_arobase_",
    "-arroba-",
    "@",
    "%40",
]
DOMAINS = [
    "initech.example",
    "initech.com",
    "initech.co.uk",
    "mail.initech.io",
    "initech.be",
    "video-1.initech.ch",
    "in2.example",
]
TAILS = [
    ".func1",
    ".run",
    ".x",
    ".7",
    ".func1.2",
    ".Main.run.it",
    "/x",
    ":443",
    "-7",
    "_x",
    "-x.func1",
    ".1.func2",
    ".func1/x.go",
    ").run",
]


@pytest.mark.parametrize("sign", SIGNS)
def test_an_address_is_found_whatever_follows_its_domain(sign: str) -> None:
    tokens = [
        f"{head}{sign}{domain}{tail}" for head in ("nora", "main.(*nora_keller") for domain in DOMAINS for tail in TAILS
    ]
    assert [token for token in tokens if find(token, (Detector.EMAIL,)) is None] == []


@pytest.mark.parametrize("tail", [".func1", ".run.x", "/x", ":443", ""])
def test_an_address_that_one_character_joins_is_found_whatever_follows_after_another(tail: str) -> None:
    tokens = [
        f"main.nora{sep}at{sep}initech{sep}{tld}{tail}" for sep in "_-" for tld in sorted(data.lines("tlds_joined"))
    ]
    assert [token for token in tokens if find(token, (Detector.EMAIL,)) is None] == []


def test_what_people_have_mail_under_exists() -> None:
    countries = {country.alpha_2.lower() for country in pycountry.countries} | {"eu", "uk"}
    assert {name for name in data.lines("tlds") if len(name) == 2} <= countries
    assert data.lines("tlds_glued") <= data.lines("tlds")
    assert not data.lines("tlds") & set("rs py sh md cc so ts js go id do name".split())


def slowly_local(text: str, at: int) -> int:
    """Where a local part starts, tried from each character that it could start at."""
    odd = set('@<>()[]{}",;:=&?|\\/')
    if wrapped := re.search(r"[ \t]{0,2}\r?\n(?:[ \t]{0,3}>){0,3}[ \t]{0,3}\Z", text[:at]):
        start = (
            slowly_local(text[: wrapped.start()], wrapped.start())
            if text[: wrapped.start()][-1:].strip()
            else wrapped.start()
        )
        if start < wrapped.start():
            return start
    body = text[:at].rstrip(" \t") if len(text[:at]) - len(text[:at].rstrip(" \t")) <= 2 else text[: at - 2]
    starts = []
    for start in range(max(0, len(body) - 66), len(body)):
        local = body[start:]
        if len(local) > 2 and local[0] == local[-1] == '"' and '"' not in local[1:-1] and "\n" not in local:
            starts.append(start)
        elif len(local) <= 64 and not any(map(str.isspace, local)):
            usual = not odd & set(local)
            user = text[max(0, start - 2) : start] == "//" and not {"@", "/"} & set(local)
            if usual or user or local[-1] in odd:
                starts.append(start)
    return min(starts, default=at)


def test_a_local_part_starts_where_trying_each_character_says() -> None:
    random = Random("local parts")
    for _ in range(20_000):
        before = "".join(
            random.choices('ab1."@/ :<\n', weights=(9, 9, 9, 3, 3, 1, 3, 2, 1, 1, 1), k=random.randint(1, 75))
        )
        text = f"{before}@acme.com"
        start = next((start for start, end in emails(text) if end == len(text)), len(before))
        assert start == slowly_local(text, len(before)), text


@pytest.mark.parametrize(
    "wrapped", ["ada@\nacme.com", "ada@\r\nacme.com", "ada@ \r\n> acme.com", "ada\n@acme.com", "ada\r\n> > @acme.com"]
)
def test_an_address_is_found_across_a_line_end(wrapped: str) -> None:
    assert mask(f"To {wrapped} and") == "To [EMAIL] and"
    assert mail_domains(f"To {wrapped} and") == {"acme.com"}


def test_nearly_all_addresses_are_found_with_each_word_for_the_sign() -> None:
    random = Random("signs")
    tlds = sorted(data.lines("tlds"))
    tokens = []
    for _ in range(2000):
        local = "".join(random.choices("abcdefghijklmnop0123._-", k=random.randint(1, 10))).strip("._-") or "a"
        domain = "".join(random.choices("abcdefghijklmnop0123", k=random.randint(1, 10)))
        sign = random.choice("_-/: ") + random.choice(("at", "AT", "At")) + random.choice("_-/: ")
        tokens.append(f"{local}{sign}{domain}.{random.choice(tlds)}")
    assert [token for token in tokens if find(token, (Detector.EMAIL,)) is None] == []


@pytest.mark.parametrize("token", ["01NXV2G7A8QHVFWC5TTS8VKMYE", "3cgLnOjJAUy5CQjEvTorYTCI6YG"])
def test_random_identifiers_that_decode_to_an_at_sign_are_no_address(token: str) -> None:
    assert find(token, (Detector.EMAIL,)) is None


@pytest.mark.parametrize(
    "address", ["a@b.fr", "ada@acme.com", "Ada@Acme.com", "ADA@ACME.COM", "ada@acme.example", "ada@10.0.0.1"]
)
@pytest.mark.parametrize("after", ["", "xyz", " said so", "\n"])
def test_an_address_in_base64_is_found_whatever_follows(address: str, after: str) -> None:
    assert find(b64encode((address + after).encode()).decode(), (Detector.EMAIL,))
