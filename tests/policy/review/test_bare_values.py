"""Whether something bare passes under an exemption, and the samples of patterns that tell."""

from __future__ import annotations

import pytest

from gateway.detectors.detect import find
from gateway.model import Detector
from gateway.patterns import compile_pattern
from gateway.policy.load import default_path, load
from gateway.policy.review.bare_values import BARE_VALUES, lets_bare_values_pass
from gateway.policy.review.pattern_samples import samples
from gateway.policy.vocabulary import EXEMPTIBLE

EMAIL, IP, PHONE = Detector.EMAIL, Detector.IP, Detector.PHONE


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (EMAIL, "[a-z]{1,30}@gmail.com"),
        (EMAIL, r"[a-z]{1,30}@wanadoo\.fr"),
        (EMAIL, "[a-z.@]{1,40}"),
        (EMAIL, "(ticket|[a-z]{3,8}[.][a-z]{3,8}@acme[.]example)"),
        (IP, "([0-9]{1,3}[.]){3}[0-9]{1,3}"),
        (IP, "82([.][0-9]{1,3}){3}"),
        (IP, "2a01:[0-9a-f:]{1,30}"),
        (IP, "[0-9a-f:.]{1,45}"),
        (PHONE, "0[67](_[0-9]{2}){4}"),
        (PHONE, "069[0-9]{7}"),
        (PHONE, "[0-9]{10}"),
        (PHONE, r"\d{9,12}"),
        (PHONE, r"(?:\+|00)?33[67][0-9]{8}"),
        (PHONE, "[0-9+ ]{1,20}"),
        (PHONE, "49[_-][0-9]{4}[_-][0-9]{7}"),
    ],
)
def test_an_exemption_is_open_where_bare_values_pass(kind: Detector, pattern: str) -> None:
    assert lets_bare_values_pass(pattern, kind)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (PHONE, "ord_[0-9]{10}"),
        (PHONE, "x[0-9]{1,9}"),
        (PHONE, "vid_[a-z0-9]{1,32}"),
        (PHONE, "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        (IP, "v?[0-9]{1,2}([.][0-9]{1,2}){1,3}"),
        (IP, r"ip-10(-[0-9]{1,3}){3}"),
        (EMAIL, "[a-z]{1,30}@build-[0-9]{1,4}"),
    ],
)
def test_it_is_not_where_something_stands_before_them(kind: Detector, pattern: str) -> None:
    assert not lets_bare_values_pass(pattern, kind)


@pytest.mark.parametrize("kind", EXEMPTIBLE)
def test_what_is_bare_is_found(kind: Detector) -> None:
    assert [text for text in BARE_VALUES[kind] if find(text, (kind,)) is None] == []


def _patterns() -> set[str]:
    otlp = load(default_path()).policy.otlp
    return {otlp.privacy(key).pattern for key in otlp.attributes} - {""}


@pytest.mark.parametrize(
    "pattern", [*sorted(_patterns()), r"a|", "(?i)ab{2}?c?", r"[^a-z]{2}|\x41\pL", r"(?P<n>x|y){2,3}", r"\d{2}\.\w"]
)
def test_samples_match_and_stay_the_same(pattern: str) -> None:
    made = [*samples(pattern, 20)]
    assert len(made) > 10
    assert all(map(compile_pattern(pattern).fullmatch, made))
    assert made == [*samples(pattern, 20)]
