"""Bounds of integers within which a telephone number fits: outside the EU there are none.

A number is a digit string without its `+`, so what counts as one is what begins as one of the person probes does, as
long as it is; a narrower range than a probe's is still one of telephone numbers. National numbers are shorter than
many a size or a count, and aren't looked for.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from gateway.plan import Number
from gateway.policy.person_probes import PassingProbe, probe_data

PHONE: Final = "phone number"

MIN_DIGITS: Final = 10
"""Digits that a telephone number has at least, with its country's code: shorter ones are sizes and counts as well."""

COUNTRY_DIGITS: Final = 2
"""How many digits, of those that a probe begins with, tell a telephone number."""


def phone_within(rule: Number) -> PassingProbe | None:
    """The first telephone number within the bounds of a rule, if there is one."""
    if rule.min is None or rule.max is None:
        return None
    for first, last in phone_ranges():
        if rule.min <= last and first <= rule.max:
            return PassingProbe(PHONE, str(max(first, rule.min)))
    return None


@cache
def phone_ranges() -> tuple[tuple[int, int], ...]:
    """The first and the last number that begins as a probe does and has as many digits, for all probes with a `+`."""
    digits = ("".join(filter(str.isdigit, one)) for one in probe_data().probes[PHONE] if one.startswith("+"))
    starts = {(one[:COUNTRY_DIGITS], len(one) - COUNTRY_DIGITS) for one in digits if len(one) >= MIN_DIGITS}
    return tuple(sorted((int(start + "0" * rest), int(start + "9" * rest)) for start, rest in starts))
