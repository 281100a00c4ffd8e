from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from itertools import chain

import pytest

from gateway.demo import expectations as truth
from gateway.demo import service_call
from gateway.demo.calls import calls
from gateway.demo.compare import category_of
from gateway.demo.item import Item, ItemOutcome
from gateway.demo.leaves import Leaf, leaves, only_leaf
from gateway.demo.logs import RECORDS
from gateway.demo.verify import MIN_SEARCHED_CHARS
from gateway.model import EU, INDIRECT, Category
from gateway.policy.load import default_path, load
from tests.demo.played import Played

POLICY = load(default_path()).policy
BETWEEN = (service_call.REQUEST, service_call.RESPONSE, *service_call.ENTRIES)
ITEMS = (*RECORDS, *chain.from_iterable(calls(datetime.now(UTC)).values()), *BETWEEN)
ALLOWED = {
    **{name: given.allow for name, given in POLICY.destinations.items()},
    service_call.ANSWER: service_call.caller(POLICY).allow,
}


@pytest.mark.parametrize("destination", sorted({name for item in ITEMS for name in item.destinations}))
def test_what_may_arrive_is_what_the_policy_allows(destination: str) -> None:
    assert truth.MAY_RECEIVE[destination] == ALLOWED[destination]


@pytest.mark.parametrize("destination", sorted(truth.MAY_RECEIVE))
def test_only_indirect_data_may_leave_the_union(destination: str) -> None:
    regions = {name: given.region for name, given in POLICY.destinations.items()}
    regions[service_call.ANSWER] = service_call.caller(POLICY).region
    assert regions[destination] in EU or truth.MAY_RECEIVE[destination] <= INDIRECT


def test_beside_the_call_between_services_passes_what_its_destination_lists() -> None:
    metadata = POLICY.destinations[service_call.SERVICE].metadata
    assert {key for key, _ in service_call.METADATA} & {*metadata.keys, *metadata.credentials} == {*truth.METADATA}
    assert {*truth.METADATA} < {key for key, _ in service_call.METADATA}


def test_no_field_holds_two_things() -> None:
    assert [path for path, count in Counter(" ".join(truth._PATHS.values()).split()).items() if count > 1] == []


def test_it_is_known_of_every_value_what_it_is(played: Played) -> None:
    sent = [(leaf.path, category_of(leaf.path, one.item)) for one in played.seen.sent for leaf in leaves(one.message)]
    assert [path for path, categories in sent if categories is Category.UNSPECIFIED] == []


def test_every_field_that_is_known_is_sent(played: Played) -> None:
    assert set(truth.CATEGORY_BY_PATH) <= {leaf.path for one in played.seen.sent for leaf in leaves(one.message)}


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.title)
def test_what_hides_in_an_item_is_long_enough_to_be_looked_for(item: Item) -> None:
    assert all(len(value) >= MIN_SEARCHED_CHARS for value in item.embedded)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.title)
def test_all_addresses_are_made_up(item: Item) -> None:
    domains = {domain.lower() for domain in re.findall(r"@([\w.-]+\w)", f"{item}")}
    assert {domain for domain in domains if not domain.endswith(".example")} <= {"gmail.com"}


def test_every_fate_is_shown() -> None:
    assert {item.outcome for item in ITEMS} == set(ItemOutcome)


def test_a_value_alone_is_that_value(played: Played) -> None:
    for one in played.seen.sent:
        for leaf in leaves(one.message):
            (found,) = leaves(only_leaf(one.message, leaf.route))
            assert (found.path, found.value) == (leaf.path, leaf.value)


def test_paths_read_well(played: Played) -> None:
    sent: dict[str, Leaf] = {leaf.path: leaf for one in played.seen.sent for leaf in leaves(one.message)}
    for path, value in {
        "user.workspace.role": "EDITOR",
        "properties[duration_s]": "184",
        "properties[subtitled]": "yes",
        "viewer_ids[*]": "usr_q7d2aa",
        "attributes[http.response.status_code]": "201",
        "resource.attributes[service.name]": "kannelle-video",
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "length": "184s",
    }.items():
        assert sent[path].value == value
    assert str(sent["time"].value).endswith("Z")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", str(sent["observed_time_unix_nano"].value))
