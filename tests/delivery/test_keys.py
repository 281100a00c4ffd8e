"""Keyed hashes: the same for the same, never the same for anything else, and useless without the secret."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import pytest

from gateway.delivery.keys import Keys
from gateway.entry_batch import KEY_BYTES
from gateway.model import Category

KEYS = Keys(bytes(range(32)))
OTHER = Keys(bytes(32))
KEY = bytes(16)

EACH: list[tuple[Callable[[Keys], bytes], int]] = [
    (lambda keys: keys.request_keys("spiffe://example.org/video", "r1", [0], "crm"), 16),
    (lambda keys: keys.fingerprints([b"item"]), 8),
    (lambda keys: keys.subject(Category.USER_ID, "usr_1"), 16),
]


@pytest.mark.parametrize(("make", "size"), EACH, ids=["key", "mark", "subject"])
def test_a_hash_is_the_same_each_time_and_of_its_size(make: Callable[[Keys], bytes], size: int) -> None:
    assert make(KEYS) == make(Keys(bytes(range(32)))) != make(OTHER)
    assert len(make(KEYS)) == size


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc", [0], "crm"), ("ab", "c", [0], "crm")),
        (("a", "b", [0], "crm"), ("a", "b", [1], "crm")),
        (("a", "b", [0], "crm"), ("a", "b", [0], "log")),
        (("a", "", [0], "crm"), ("", "a", [0], "crm")),
    ],
)
def test_no_two_requests_share_a_key(
    one: tuple[str, str, list[int], str], other: tuple[str, str, list[int], str]
) -> None:
    assert KEYS.request_keys(*one) != KEYS.request_keys(*other)


def test_no_two_agents_share_a_key_and_all_replicas_of_a_hub_make_the_same() -> None:
    assert KEYS.keys_of_agent("one", KEY) == OTHER.keys_of_agent("one", KEY)
    assert len(KEYS.keys_of_agent("one", KEY)) == 16
    assert KEYS.keys_of_agent("one", KEY) != KEYS.keys_of_agent("other", KEY) != KEY


def test_a_key_of_an_agent_is_the_same_alone_and_among_others_and_in_every_version() -> None:
    """What an older gateway stored is known by it: a hash of the agent and the key, each with its length before it."""
    keys = [bytes([number]) * KEY_BYTES for number in range(5)]
    alone = [
        blake2b(
            len(b"spiffe://a/b").to_bytes(8, "big") + b"spiffe://a/b" + (16).to_bytes(8, "big") + key,
            digest_size=16,
            person=b"agent",
        ).digest()
        for key in keys
    ]
    assert KEYS.keys_of_agent("spiffe://a/b", b"".join(keys)) == b"".join(alone)
    assert [KEYS.keys_of_agent("spiffe://a/b", key) for key in keys] == alone
    assert KEYS.keys_of_agent("spiffe://a/b", b"") == b""


def test_a_value_is_another_subject_under_another_category() -> None:
    assert KEYS.subject(Category.USER_ID, "a@b.example") != KEYS.subject(Category.WORK_EMAIL, "a@b.example")


def test_the_same_bytes_hash_otherwise_for_another_use() -> None:
    assert KEYS.keys_of_agent("", KEY)[:8] != KEYS.fingerprints([KEY])


def test_what_is_fresh_is_never_the_same() -> None:
    columns = [KEYS.fresh(count) for count in (1, 4, 0, 7, 100)]
    keys = [column[at : at + KEY_BYTES] for column in columns for at in range(0, len(column), KEY_BYTES)]
    assert (len(keys), len(set(keys)), {*map(len, keys)}) == (112, 112, {KEY_BYTES})
