"""Whether a value rule lets through no more than another did. In doubt it lets through more."""

from __future__ import annotations

from gateway.detectors.prohibited import is_prohibited
from gateway.model import DETECTORS
from gateway.patterns import compile_pattern
from gateway.plan import Content, FreeText, Keep, Mask, Moment, Number, Rule, Span, SubjectPlan, Text, UserId, WorkEmail
from gateway.policy.rules import ANY_TEXT, RecipientTerms


def is_narrower(old: Rule | None, new: Rule | None) -> bool:
    """Whether every value that passes `new` passed `old`, and nothing more of it is shown.

    None lets everything through.

    The pattern of user IDs is the whole policy's, and isn't compared here, nor what is only counted.
    """
    old, new = _without_counting(old), _without_counting(new)
    if old is None or isinstance(old, Keep) or old == new:
        return True
    if isinstance(old, FreeText) and isinstance(new, Text):
        return set(new.detect) >= set(DETECTORS) and not new.spare and _is_text_narrower(old.text, new)
    return _is_narrower_alike(old, new)


def _without_counting(rule: Rule | None) -> Rule | None:
    """The rule that lets the same values through, and counts nothing in them."""
    return rule.text if isinstance(rule, Content) else rule


def _is_narrower_alike(old: Rule, new: Rule | None) -> bool:
    """The same of two rules of one type; of two types, neither is within the other."""
    match old, new:
        case UserId(), UserId():
            told = old.echo is None or new.echo is not None
            return told and set(old.detect) <= set(new.detect) and _is_text_narrower(old.text, new.text)
        case FreeText(), FreeText():
            return _is_text_narrower(old.text, new.text)
        case WorkEmail(), WorkEmail():
            both = old.outside <= new.outside and old.vendor <= new.vendor
            return both and is_mail_narrower(old, new) and _is_text_narrower(old.text, new.text)
        case Text(), Text():
            return _is_text_narrower(old, new)
        case Mask(), Mask():
            return new.of in ("", old.of)
        case Moment(), Moment():
            return _is_moment_narrower(old, new)
        case Number() | Span(), Number() | Span():
            return type(old) is type(new) and _is_range_narrower(old, new)
    return False


def is_mail_narrower(
    old: WorkEmail | SubjectPlan | RecipientTerms, new: WorkEmail | SubjectPlan | RecipientTerms
) -> bool:
    """Whether every address that is personal by the policy's own domains of `old` is so by those of `new`."""
    return set(old.personal) <= set(new.personal) and set(new.business) <= set(old.business)


def _is_moment_narrower(old: Moment, new: Moment) -> bool:
    near = old.days is None or (new.days is not None and new.days <= old.days)
    after = old.min is None or (new.min is not None and new.min >= old.min)
    return near and after and (old.max is None or (new.max is not None and new.max <= old.max))


def _is_range_narrower(old: Number | Span, new: Number | Span) -> bool:
    """A number without bounds is judged otherwise than one with bounds: neither is within the other."""
    if old.min is None or old.max is None:
        return isinstance(old, Span)
    return new.min is not None and new.max is not None and old.min <= new.min and new.max <= old.max


def _is_text_narrower(old: Text | None, new: Text | None) -> bool:
    was, now = old or ANY_TEXT, new or ANY_TEXT
    if not set(was.detect) <= set(now.detect) or (was.detect and not set(now.spare) <= set(was.spare)):
        return False
    if now.one_of:
        return all(_passes(value, was) for value in now.one_of)
    if was.one_of or was.name > now.name or (was.echo is not None and now.echo is None):
        return False
    return was.pattern in ("", now.pattern) and (was.max_length == 0 or 0 < now.max_length <= was.max_length)


def _passes(value: str, rule: Text) -> bool:
    if rule.one_of:
        return value in rule.one_of
    short = not rule.max_length or len(value) <= rule.max_length
    if rule.name and is_prohibited(value):
        return False
    return short and (not rule.pattern or compile_pattern(rule.pattern).fullmatch(value) is not None)
