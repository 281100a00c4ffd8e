"""`explain --probe`: what passes in one field, at each destination."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.policy.person_probes import probe_data

SUPPORT = "kannelle.privacy.v1.SupportMessage"
CONTACT = "kannelle.crm.v1.Contact"
NAMES = len(probe_data().probes["name"])


def told(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["explain", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("field", ["reference", f"{SUPPORT}.reference"])
def test_what_passes_is_counted_by_kind(field: str) -> None:
    lines = told(SUPPORT, "--probe", field, "--destination", "support").splitlines()
    assert (
        lines[0]
        == "support: kept: matches sup_[a-z0-9]{8,32}, nothing personal in it, no name or address of the item's own person"
    )
    assert lines[1].startswith("  name: ")
    assert lines[1].endswith(" pass, such as sup_ivanpetrov")


@pytest.mark.parametrize(
    ("type_", "field", "destination", "line"),
    [
        (
            CONTACT,
            "full_name",
            "crm",
            "  no probe was tried: it is no text that a pattern, a list or an identifier's form decides on",
        ),
        (CONTACT, "source_ip", "crm", "crm: stripped: NETWORK is not allowed here"),
        (SUPPORT, "user.device.app_version", "support", f"  name: 0 of {NAMES} pass"),
    ],
)
def test_what_is_stripped_or_no_text_of_a_rule_is_said(type_: str, field: str, destination: str, line: str) -> None:
    assert line in told(type_, "--probe", field, "--destination", destination).splitlines()


def test_the_same_as_json() -> None:
    document = json.loads(told(SUPPORT, "--probe", "reference", "--destination", "support", "--format", "json"))
    (view,) = document["destinations"]
    assert (document["field"], view["destination"], view["verdict"], view["tried"]) == (
        "reference",
        "support",
        "keep",
        True,
    )
    assert [count["kind"] for count in view["probes"]][:2] == ["name", "phone number"]
    assert view["probes"][0]["total"] == NAMES
