"""Unfolding: what a text says underneath, where it says so, and how much work that may be."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.budget import (
    MAX_DECODING_DEPTH,
    MAX_TEXT_CHARS,
    Budget,
    BudgetExceeded,
    char_budget,
    lookup_budget,
)
from gateway.detectors.decode import decodings
from gateway.detectors.detect import SCANS, find, mask
from gateway.detectors.digits import Rows
from gateway.detectors.encoded_runs import decoded_runs, may_hold_finding
from gateway.detectors.escapes import EscapePass, replacements, unescape
from gateway.detectors.fold import fold, fold_ends, is_obscure, is_readable
from gateway.detectors.phones import phones
from gateway.model import Detector


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\uff21\uff42\uff20", "Ab@"),
        ("\U0001d400\U0001d7d8", "A0"),
        ("\u0660\u06f1\u0968", "012"),
        ("e\u0301\u00e9", "ee"),
        ("a\u200b\u00ad\u2060\ufe0fb", "ab"),
        ("\u0430\u0435\u043e", "aeo"),
        ("\U000e0061\U000e0040", "a@"),
        ("\u3002\uff61\u2024", "..."),
        ("\u2010\u2011\u2013\u2212", "----"),
        ("\u00a0\u2003\u3000\u2800", "    "),
        ("\U0001f170\U0001f1eb\U0001f150", "AFA"),
        ("a\x00b\x7fc", "abc"),
        ("a\tb\r\n", "a\tb\r\n"),
    ],
)
def test_folding_gives_plain_characters(text: str, plain: str) -> None:
    assert fold(text) == plain


@settings(deadline=None)
@given(st.text(st.characters()))
def test_folding_twice_is_folding_once_and_each_character_has_a_place(text: str) -> None:
    folded, found = fold(text), fold_ends(text)
    assert fold(folded) == folded
    assert (
        "".join(fold(char)[: after - before] for char, before, after in zip(text, [0, *found], found, strict=False))
        == folded
    )


@pytest.mark.parametrize(
    "char", ["\x00", "\x1b", "\x7f", "\x85", "\u202e", "\u2066", "\U000e0041", "\ue000", "\uffff", "\u0378", "\ud800"]
)
def test_what_hides_text_is_unreadable(char: str) -> None:
    assert is_obscure(char)
    assert not is_readable(f"a{char}b")


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "tab\tline\r\n",
        "caf\u00e9",
        "\u65e5\u672c\u8a9e",
        "\U0001f600",
        "\u200b\u00ad\ufeff",
        "\u200e\u200f",
        "\ufffd",
    ],
)
def test_other_text_is_readable(text: str) -> None:
    assert is_readable(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a%40b", "a@b"),
        ("a%252540b", "a@b"),
        ("100%25 of", "100% of"),
        ("%C3%A9%E9", "\u00e9\ufffd"),
        ("%u0040", "@"),
        ("&#64;&#x40;&commat;&AMP;#64;", "@@@@"),
        ("&#64acme&#x40acme", "@acme@acme"),
        ("&amp;amp;amp;#64;", "@"),
        ("&#0;&#1114112;&nothing;", "\0&#1114112;&nothing;"),
        (r"\u0040\x40\100\u{40}\U00000040", "@@@@@"),
        (r"\\\\u0040", "@"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\N{COMMERCIAL AT}\N{NO SUCH NAME}", r"@\N{NO SUCH NAME}"),
        (r"\@\.\/\"", '@./"'),
        ("U+0040", "@"),
        ("a [at] b (dot) c", "a@b.c"),
        ("a at b dot c-d dot e", "a@b.c-d.e"),
        ("a arobase b point c", "a@b.c"),
        ("a_at_b_dot_c", "a@b.c"),
        ("a@<b>b</b>", "a@b"),
        ("meet at noon", "meet at noon"),
        ("at this point in time", "at this point in time"),
        ("the dot", "the dot"),
        ("a < b > c", "a < b > c"),
        ("50 % of R&D = 2", "50 % of R&D = 2"),
        (r"C:\Users", r"C:\Users"),
    ],
)
def test_escapes_are_undone(text: str, plain: str) -> None:
    assert unescape(text, EscapePass.ESCAPES) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a=40b", "a@b"),
        ("=C3=A9=E9", "\u00e9\ufffd"),
        ("=3D40", "@"),
        ("=C3=\n=A9=\n", "\u00e9"),
        ("&#6=\n4;&#=\r\n46;", "&#64;&#46;"),
        ("a=b", "a=b"),
        ("a%40b", "a%40b"),
    ],
)
def test_quoted_printable_is_undone(text: str, plain: str) -> None:
    assert unescape(text, EscapePass.PRINTABLE) == plain


@settings(deadline=None)
@given(st.text("a4@%25&#x;\\u0{}=()[]<>at dot.\n", max_size=40), st.sampled_from(EscapePass))
def test_edits_are_what_unescaping_changes(text: str, way: EscapePass) -> None:
    plain, done = "", 0
    for start, end, new in replacements(text, way):
        plain, done = plain + text[done:start] + new, end
    assert plain + text[done:] == unescape(text, way)


@settings(deadline=None)
@given(
    st.binary(max_size=3),
    st.sampled_from(["", "-", "usr_", "x", "/v1/"]),
    st.text("abc@. \u00e9", min_size=8, max_size=20),
)
def test_what_is_readable_in_a_run_is_found_at_any_alignment(noise: bytes, prefix: str, text: str) -> None:
    data = noise + text.encode()
    for run in (base64.urlsafe_b64encode(data), base64.b32encode(data), data.hex().encode()):
        around = f"see {prefix}{run.decode()}, or not"
        assert any(
            text in piece and run.decode().rstrip("=") in around[start:end] + "="
            for piece, start, end in decoded_runs(around)
        )


@settings(deadline=None)
@given(st.text(string.printable, max_size=7) | st.text("12@.:=%&#;u0x4_", max_size=7))
def test_what_is_too_short_to_tell_has_no_finding(text: str) -> None:
    found = [kind for decoding in decodings(text) for kind, scan in SCANS.items() for _ in scan(decoding)]
    assert may_hold_finding(text) or not found


@pytest.mark.parametrize(
    "text",
    ["c0c09c2b-0725-4629-af7c-3e40732e774b", "01NXV2G7A8QHVFWC5TTS8VKMYE", "usr_01MRZC6JQ8VY0Y0QE9BMMWAR1R",
     "d988b9b0-a89e-1228-ab3b-0cbe40322e6d:563111", "0190200f-f4b8-73a3-a303-92c65112f287",
     "006ea21807b232b8f44e27203a3a34070fd0ad80", "85271dfa69092466150604814ef7248533792881", "699869952ea7815589555933",
     "auth0|61311145828beeacba105124",
     "auth0|2746512690bb546992987465"],
)  # fmt: skip
def test_identifiers_that_would_decode_to_something_are_left_alone(text: str) -> None:
    assert find(text) is None
    assert mask(text) == text


@pytest.mark.parametrize(
    "address",
    [
        "a@b.fr",
        "a@b.io.x.fr",
        "jo@b.com",
        "ada@acme.com",
        "ada.b@acme.example",
        "anna@kannelle.example",
        "\u00e9va@ac.fr",
    ],
)
@pytest.mark.parametrize("around", ["{}", "a{}b", "abc{}def", "usr_{}", "f{}", "{}cafe"])
def test_an_address_in_hexadecimal_is_found_though_it_looks_technical(address: str, around: str) -> None:
    for size in (0, 12, 16, 20, 28, 32, 48, 64):
        assert find(around.format(address.ljust(size, "x").encode().hex()), (Detector.EMAIL,))


@pytest.mark.parametrize(
    "text", ["d670460b4b4aece5915caf5c68d12f560a9fe3e4", "kannelle.video.v1", "----------------", "A" * 100, "short"]
)
def test_what_decodes_to_noise_is_left_out(text: str) -> None:
    assert list(decoded_runs(text)) == []


@pytest.mark.parametrize(
    ("text", "found", "origin"),
    [
        ("hi alice@acme.com", "alice@acme.com", "alice@acme.com"),
        ("hi al\u200bice\uff20acme.com!", "alice@acme.com", "al\u200bice\uff20acme.com"),
        ("hi alice%40acme.com!", "alice@acme.com", "alice%40acme.com"),
        ("hi alice%2540acme\\u002ecom!", "alice@acme.com", "alice%2540acme\\u002ecom"),
        ("hi YWxpY2VAYWNtZS5jb20=!", "alice@acme.com", "YWxpY2VAYWNtZS5jb20"),
        ("hi %59%57%78%70%59%32%56%41YWNtZS5jb20!", "alice@acme.com", "%59%57%78%70%59%32%56%41YWNtZS5jb20"),
        ("\ufdfa alice at acme dot com \ufdfa", "alice@acme.com", "alice at acme dot com"),
        ("\u200b\u200bal\u200bice\uff20acme.com\u200b", "alice@acme.com", "al\u200bice\uff20acme.com"),
        (f"{'filler ' * 999}alice%40acme.com{' filler' * 999}", "alice@acme.com", "alice%40acme.com"),
        (f"%41{'.filler' * 999}%41{' filler' * 999} alice%40acme.com%41", "alice@acme.com", "alice%40acme.com"),
        (f"%41{'fill er' * 999}%41 alice%40acme.c%6fm {'fill er' * 400}%41", "alice@acme.com", "alice%40acme.c%6fm"),
    ],
)
def test_a_layer_knows_where_it_comes_from(text: str, found: str, origin: str) -> None:
    decoding = next(decoding for decoding in decodings(text) if found in decoding.text)
    at = decoding.text.index(found)
    start, end = decoding.origin(at, at + len(found))
    assert text[start:end] == origin


def nested(times: int) -> str:
    text = "nothing personal at all"
    for _ in range(times):
        text = base64.b64encode(text.encode()).decode()
    return text


def test_layers_end_where_nothing_is_left_to_undo() -> None:
    assert len(list(decodings("kannelle.video.v1"))) == 1
    assert any("nothing personal at all" in decoding.text for decoding in decodings(nested(MAX_DECODING_DEPTH)))


def test_too_many_layers_are_too_much() -> None:
    with pytest.raises(BudgetExceeded):
        list(decodings(nested(MAX_DECODING_DEPTH + 1)))


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["filler ", "x.y-z", "%40", "%41", "&#64;", "\n"]).flatmap(
            lambda part: st.integers(1, 400).map(part.__mul__)
        ),
        max_size=8,
    )
)
def test_what_is_near_an_escape_is_read_with_it_and_each_character_has_a_place(parts: list[str]) -> None:
    text, plain, done, spots = "".join(parts), "", 0, []
    for start, end, new in replacements(text, EscapePass.ESCAPES):
        plain += text[done:start] + new
        spots.append(len(plain))
        done = end
    plain += text[done:]
    for decoding in [*decodings(text)][1:2]:
        assert all(plain[max(0, spot - 200) : spot + 200] in decoding.text for spot in spots)
        for index, char in enumerate(decoding.text):
            start, end = decoding.origin(index, index + 1)
            assert char in unescape(text[start:end], EscapePass.ESCAPES) or char == "\n"


def test_an_escape_in_a_long_text_is_not_as_much_work_as_the_text() -> None:
    text = "nothing personal " * 5000
    sizes = [len(decoding.text) for decoding in decodings(f"{text}%41{text}%41")]
    assert sizes[0] == 2 * len(text) + 6
    assert 512 < sizes[1] < 2_000


def test_what_folds_to_far_more_than_itself_is_too_much() -> None:
    assert [len(decoding.text) for decoding in decodings("\ufdfa" * 20)] == [360]
    with pytest.raises(BudgetExceeded):
        list(decodings("\ufdfa" * 100))


HOSTILE = {
    "at signs": "@",
    "half addresses": "a@b.",
    "addresses": "alice%40acme.com ",
    "percent": "%25",
    "percent, encoded": "%2540",
    "ampersands": "&amp;",
    "numeric entities": "&#6",
    "backslashes": "\\",
    "equals signs": "=\n",
    "brackets": " (at) [dot] ",
    "words": " at a dot b",
    "runs of base64": "YWxpY2VAYWNtZS5jb20 ",
    "base64 that is base64": "YWFh",
    "base64 that is base64 at each alignment": "V",
    "hexadecimal that is hexadecimal": "33",
    "base32": "MFWGSY3F",
    "digits": "1 ",
    "zeros": "01 ",
    "plus signs": "+1 ",
    "phone numbers": "+33 6 12 34 56 78, ",
    "cards": "4111 1111 1111 ",
    "dots and digits": "1.2.3.",
    "colons": "a:",
    "decimals": "48.8577 ",
    "IBANs": "FR76 ",
    "ligatures": "\ufdfa",
    "zero-width": "a\u200b",
    "tags": "<b ",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_unfolds_within_its_budget(unit: str) -> None:
    text = (unit * 40_000)[:40_000]
    budget, size = char_budget(text).remaining, 0
    try:
        for decoding in decodings(text):
            size += len(decoding.text)
    except BudgetExceeded:
        pass
    assert size <= budget + len(text)


def test_numbers_are_looked_up_within_a_budget() -> None:
    text = "+1 22 " * 20_000
    with pytest.raises(BudgetExceeded):
        list(phones(Rows(text)))
    assert lookup_budget(text).remaining < len(text)


def test_a_budget_can_be_spent_to_the_last_unit() -> None:
    budget = Budget(2)
    budget.spend(2)
    with pytest.raises(BudgetExceeded):
        budget.spend(1)


def test_the_longest_text_unfolds() -> None:
    text = ("alice\\u0040acme.com YWxpY2VAYWNtZS5jb20 100%25 " * MAX_TEXT_CHARS)[:MAX_TEXT_CHARS]
    assert sum(1 for _ in decodings(text)) > 1


@pytest.mark.parametrize(
    ("text", "most"), [("a%40b =41 caf&eacute;", 4), ('{"a":"\\u003cb\\u003e caf\\u00e9","q":"id=41%2C42"}', 6)]
)
def test_what_a_short_text_may_decode_to_is_enough_for_usual_ones(text: str, most: int) -> None:
    assert len(list(decodings(text))) <= most


@pytest.mark.parametrize("text", ["0.\x00?=U+004185048.85&lt;b&gt;0::85048.85password:\x00A dot ?q=48.85:"])
def test_a_short_text_decodes_to_few_texts(text: str) -> None:
    with pytest.raises(BudgetExceeded):
        list(decodings(text))
