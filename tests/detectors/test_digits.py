"""Digits on end or in groups: where numbers can start and end, against an oracle that tries every place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.compact import FILLER
from gateway.detectors.digit_code import ANY_DIGIT, GROUP_START, Coded, coded_pattern
from gateway.detectors.digits import Candidate, Rows, numbers
from gateway.detectors.figures import is_figure, without_figures
from gateway.detectors.joined_groups import join_groups

SIZE = 9
HEAD = re.compile(f"(?=({GROUP_START}{ANY_DIGIT}{{{SIZE - 1},{SIZE}}}))".encode())
SEPARATOR = rf"(?:[ \t.\-/()_:+]{FILLER}*)"


class Reader:
    """Reads numbers of a size that begin with 6."""

    def size(self, candidate: Candidate) -> int | None:
        fits = candidate.digits[0] == "6" and candidate.ends_at(SIZE) and not candidate.is_figure(SIZE)
        return SIZE if fits else None


def oracle(text: str) -> list[str]:
    """The same, place by place."""
    found, done = [], 0
    left = without_figures(join_groups(text))
    groups = re.compile(rf"6[0-9]*(?:{SEPARATOR}{{1,3}}[0-9]+)*")
    singles = re.compile(rf"(?<![0-9])[0-9](?:{SEPARATOR}{{1,3}}[0-9]){{19,}}(?![0-9])")
    lone = [match.span() for match in singles.finditer(left)]
    for at in range(len(text)):
        match = groups.match(left, at) if not left[max(0, at - 1) : at].isdigit() else None
        ends = [end for end in range(at, match.end() + 1) if re.fullmatch(groups, left[at:end])] if match else []
        good = [
            end for end in ends if sum(map(str.isdigit, left[at:end])) == SIZE and not left[end : end + 1].isdigit()
        ]
        if (
            good
            and good[-1] > done
            and not is_figure(text, at, good[-1])
            and not any(start < good[-1] and at < end for start, end in lone)
        ):
            found.append(text[at : good[-1]])
            done = good[-1]
    return found


@given(st.text("6612345678 -:/._()+\tx,\n\u00e9", max_size=60) | st.text("66 1-.", max_size=80))
def test_numbers_are_where_groups_start_and_end(text: str) -> None:
    assert [text[start:end] for start, end in numbers(Rows(text), HEAD, Reader())] == oracle(text)


@given(st.text("0123456789 -:/._()+\tx,\n\u00e9\U0001f600", max_size=60))
def test_each_digit_has_its_place(text: str) -> None:
    coded = Coded(text)
    plain = bytes.maketrans(b"abcdefghijABCDEFGHIJ", b"01234567890123456789")
    for index, char in enumerate(coded.code):
        if chr(char) in "0123456789abcdefghijABCDEFGHIJ":
            assert text[coded.origin(index)] == coded.code.translate(plain)[index : index + 1].decode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("06 12-34", "|a6b2d4"),
        ("x06:12 _/34y", "||a6b2d4|"),
        ("12    34", "|b2||||d4"),
        ("+33 (0)6", "|D3ag"),
        ("a+ (33)6", "||D3g"),
        ("1,2", "|b|c"),
        ("0.5 12", "||||b2"),
        ("\u00e912", "||b2"),
    ],
)
def test_texts_are_coded_so_that_digits_of_a_number_stand_on_end(text: str, code: str) -> None:
    assert Coded(text).code.decode().replace(" ", "") == code


@given(st.text("0123456789", min_size=1, max_size=12))
@pytest.mark.parametrize("pattern", [r"[67]\d{8}", r"4(?:1|2[0-3])\d{2,5}", r"0[1-9]|1", r"[02468]{3}"])
def test_a_coded_pattern_matches_what_the_pattern_does(pattern: str, digits: str) -> None:
    coded = re.compile(coded_pattern(pattern))
    for text in (
        digits,
        "".join("abcdefghij"[int(digit)] for digit in digits),
        "".join("ABCDEFGHIJ"[int(digit)] for digit in digits),
    ):
        assert bool(coded.fullmatch(text)) == bool(re.fullmatch(pattern, digits))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("0.612345678", "~~~~~~~~~~~"),
        ("192.168.1.10:8080", "~~~~~~~~~~~~:8080"),
        ("203-0-113-77:443", "~~~~~~~~~~~~:443"),
        ("33-6-12-34-56-78", "33-6-12-34-56-78"),
        ("131.0.6778.108", "~~~~~~~~~~~~~~"),
        ("6.8.0-1021", "~~~~~-1021"),
        ("12.5 30.25", "~~~~~~~~~~"),
        ("6 12.34 56.78", "6 12.34 56.78"),
        ("06.12.34.56.78", "06.12.34.56.78"),
        ("415.555.2671", "415.555.2671"),
        ("+33.6.12-34", "+33.6.12-34"),
        ("1.2.3.4.5", "1.2.3.4.5"),
    ],
)
def test_figures_in_which_no_number_is_are_blanked(text: str, left: str) -> None:
    assert without_figures(text) == left


@pytest.mark.parametrize(
    ("text", "number", "verdict"),
    [
        ("2234.567891", "2234.567891", True),
        ("2234.567891", "567891", True),
        ("1.2.4155552671", "4155552671", True),
        ("08:00-12:00", "08:00-12:00", True),
        ("08:00-12:00", "08:00-12", True),
        ("12.50 48.85/2.35", "12.50 48.85/2.35", True),
        ("0612345678.5", "0612345678", False),
        ("06:12:34:56:78", "06:12:34:56:78", False),
        ("6 12.34 56 78", "6 12.34 56 78", False),
        ("06.12.34.56.78", "06.12.34.56.78", False),
        ("at 0612345678.", "0612345678", False),
        ("12:06-12-34-56-78", "06-12-34-56-78", False),
        ("0612345612:30", "0612345612", False),
        ("12:30 08:00-12:00", "30 08:00-12", True),
        ("q4.0612345678", "0612345678", False),
        ("4.0612345678", "0612345678", True),
        ("v1.2.0612345678", "0612345678", False),
    ],
)
def test_figures_are_told_from_numbers(text: str, number: str, *, verdict: bool) -> None:
    start = text.index(number)
    assert is_figure(text, start, start + len(number)) == verdict


@pytest.mark.parametrize("sign", [",", ", ", "*", "|", ";", "~"])
@pytest.mark.parametrize(
    "groups",
    ["06 12 34 56 78", "4111 1111 1111 1111", "3782 822463 10005", "0033 6 12 34 56 78"],
)
def test_usual_groups_are_one_number_whatever_is_between_them(groups: str, sign: str) -> None:
    text = groups.replace(" ", sign)
    assert join_groups(text).replace(FILLER, "") == groups
    assert len(join_groups(text)) == len(text)
    assert join_groups(f"75002{';' if sign != ';' else '|'}{text}") != f"75002{';' if sign != ';' else '|'}{text}"


@pytest.mark.parametrize("line", ["\n", "\r\n", "\n> ", " \n>> "])
@pytest.mark.parametrize(
    "groups",
    [("06 12 34", "56 78"), ("06.12.34.56", "78"), ("4111 1111", "1111 1111"), ("4111-1111-1111", "1111"), ("3782 822463", "10005"),
     ("+33 6 12", "34 56 78"), ("0470 12", "34 56"), ("020 7946", "0958")],
)  # fmt: skip
def test_a_number_goes_on_in_the_next_line(groups: tuple[str, str], line: str) -> None:
    text = line.join(groups)
    assert list(filter(str.isdigit, join_groups(text))) == list(filter(str.isdigit, text))
    assert "\n" not in join_groups(text)
    assert len(join_groups(text)) == len(text)


@pytest.mark.parametrize(
    "text",
    ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10", "12,34,56,78", "12,34,56,78,90", "01,02,03,04,05,06", "06\n12\n34\n56\n78", "4111\n1111\n1111\n1111",
     "1024;2048;4096;8192;1024", "01 02 03\n04 05 06", ("call +33 6 12 34 56 78\n12 "
                                                       "apples"), "06 12 34 56 78\n12", "12.5,13.5,14.5"],
)  # fmt: skip
def test_lists_and_columns_of_figures_stay_apart(text: str) -> None:
    assert join_groups(text) == text
