"""What is no personal data where it stands stays as it is.

Identifiers, versions, times, numbers, documents, and the conventions' names.
"""

from __future__ import annotations

import pytest

from tests.accuracy import names
from tests.accuracy.error_rates import altered_values
from tests.policy.semconv import EVENTS, metrics
from tests.support.samples.harmless import KINDS

COUNTS = [1000, pytest.param(20_000, marks=pytest.mark.soak)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_personal_data_stays(kind: str, count: int) -> None:
    passing = altered_values(kind, count)
    assert not passing.errors, str(passing)


def test_every_metric_of_the_conventions_keeps_its_name() -> None:
    found = {name for name, _ in metrics()}
    assert len(found) > 300
    assert names.kept_as_metrics(found) == found


def test_every_attribute_of_the_conventions_may_name_a_metric_too() -> None:
    found = names.attributes()
    assert set(found) - names.kept_as_metrics(found) == set()


def test_every_attribute_of_the_conventions_is_a_key() -> None:
    found = names.attributes()
    assert set(found) - names.kept_as_keys(found) == set()


def test_every_event_of_the_conventions_keeps_its_name() -> None:
    assert set(EVENTS) - names.kept_as_events(EVENTS) == set()


@pytest.mark.parametrize(
    "name",
    [
        "editor.pan",
        "p99.lat",
        "comment.pin",
        "gen_ai.client.token.usage",
        "auth.password.resets",
        "auth.token.refresh.duration",
        "aspnetcore.authorization.attempts",
    ],
)
def test_a_word_with_two_meanings_names_a_metric(name: str) -> None:
    assert names.kept_as_metrics([name]) == {name}


@pytest.mark.parametrize(
    "name",
    [
        "user.latitude",
        "user.age",
        "user.iban",
        "gps/latitude",
        "anna.martin.heart_rate",
        "card4111111111111111",
        "tel0612345678",
    ],
)
def test_a_name_that_says_what_is_never_collected_is_no_metric(name: str) -> None:
    assert names.kept_as_metrics([name]) == set()
