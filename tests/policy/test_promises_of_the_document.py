"""What no policy can make of the privacy statement: each way to break a promise is found, with its line and its key."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.errors import BadPolicy
from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from gateway.policy.log_destinations import LOG_ALLOW_TEXT, LOG_REGION_TEXT
from gateway.policy.residency import CONSENT_TEXT
from tests.support.contracts import contract, proto

ALL: Final = "USER_ID, WORK_EMAIL, OPERATIONAL, NAME, PHONE, POSTAL_ADDRESS, DEVICE, NETWORK, ORGANISATION, USAGE, FREE_TEXT, PAYMENT"
KEPT: Final = f"""\
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[A-Za-z0-9]{{1,32}}"}}
ceilings:
  FR: [{ALL}, CONTENT]
  IE: [{ALL}, CONTENT]
  BE: [{ALL}]
  DE: [USER_ID, WORK_EMAIL, OPERATIONAL, NAME, PHONE, ORGANISATION]
  US: [USER_ID, WORK_EMAIL, OPERATIONAL]
destinations:
  log:
    recipient: log
    region: FR
    purpose: essential.service.security
    legal_basis: LEGITIMATE_INTERESTS
    retention: 90d
    allow: [USER_ID, WORK_EMAIL, OPERATIONAL]
  archive:
    recipient: store
    region: IE
    purpose: essential.service.operations.support
    legal_basis: CONTRACT
    retention: 90d
    allow: [USER_ID, NAME, FREE_TEXT]
  crm:
    recipient: service
    region: DE
    purpose: sales
    legal_basis: LEGITIMATE_INTERESTS
    retention: 90d
    allow: [USER_ID, WORK_EMAIL, NAME, PHONE]
  directory:
    recipient: service
    region: BE
    purpose: essential.service
    legal_basis: CONTRACT
    retention: 90d
    allow: [USER_ID, WORK_EMAIL]
  analytics:
    recipient: vendor
    region: US
    purpose: analytics
    legal_basis: LEGITIMATE_INTERESTS
    retention: 90d
    allow: [USER_ID, OPERATIONAL]
flows:
  otlp/logs: [log]
  t.Item: [archive, crm, directory, analytics]
classifications:
  t.Item.note: {{category: NAME}}
  t.Item.state: {{category: OPERATIONAL, pattern: "st_[0-9]{{1,3}}"}}
personal_domains: {{remove: [mail.example]}}
"""
"""A policy that keeps the promises. No line is in it twice once it is known whose it is."""

PROTO: Final = proto("message Item { string user_id = 1 @USER_ID; string state = 2; string note = 3; }")
CONTRACT: Final = contract(PROTO)
NAMES_IN_LOG: Final = "allow: [USER_ID, WORK_EMAIL, OPERATIONAL, {}]"
OPEN: Final = "outside the EU only indirect data may be"


def changed(destination: str, old: str, new: str) -> tuple[str, int]:
    """The policy with a line of a destination replaced, and that line's number."""
    start = KEPT.index(f"  {destination}:\n") if destination else 0
    at = KEPT.index(old, start)
    return KEPT[:at] + new + KEPT[at + len(old) :], KEPT[:at].count("\n") + 1


def broken(text: str) -> str:
    """What is said of a policy that doesn't start."""
    with pytest.raises(BadPolicy) as caught:
        Compiler(CONTRACT, parse(text)).plans()
    return str(caught.value)


def command(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*map(str, arguments)], prog_name="privacy-gateway")
    return result.exit_code, result.stdout


def test_the_policy_itself_keeps_them() -> None:
    Compiler(CONTRACT, parse(KEPT)).plans()


@pytest.mark.parametrize(
    ("destination", "old", "new", "key", "promise"),
    [
        *(
            ("log", "allow: [USER_ID, WORK_EMAIL, OPERATIONAL]", NAMES_IN_LOG.format(category),
             f"destinations.log.allow.{category}", f"{LOG_ALLOW_TEXT}; it is a log by `recipient: log`")
            for category in ("NAME", "FREE_TEXT", "PHONE", "DEVICE", "CONTENT")
        ),
        *(
            ("log", "region: FR", f"region: {region}", "destinations.log.region",
             f"{LOG_REGION_TEXT}; it is a log by `recipient: log`")
            for region in ("BE", "DE", "US")
        ),
        ("crm", "PHONE]", "PHONE, CONTENT]", "destinations.crm.allow.CONTENT", "content stays in FR or IE"),
        ("directory", "WORK_EMAIL]", "WORK_EMAIL, CONTENT]", "destinations.directory.allow.CONTENT",
         "content stays in FR or IE"),
        ("archive", "NAME, FREE_TEXT]", "NAME, NETWORK]", "destinations.archive.allow.NETWORK",
         "is for the purpose essential.service.authentication only, or one below it"),
        ("archive", "NAME, FREE_TEXT]", "NAME, POSTAL_ADDRESS]", "destinations.archive.allow.POSTAL_ADDRESS",
         "is for the purpose essential.service.payment_processing only, or one below it"),
        *(
            (destination, f"legal_basis: {basis}", "legal_basis: CONSENT", f"destinations.{destination}.legal_basis",
             CONSENT_TEXT)
            for destination, basis in (("log", "LEGITIMATE_INTERESTS"), ("archive", "CONTRACT"),
                                       ("crm", "LEGITIMATE_INTERESTS"), ("analytics", "LEGITIMATE_INTERESTS"))
        ),
        ("analytics", "allow: [USER_ID, OPERATIONAL]", "allow: [USER_ID, NAME]", "destinations.analytics.allow.NAME",
         "never leaves the EU"),
        ("", "remove: [mail.example]", "remove: [gmail.com]", "personal_domains.remove[0]",
         "is personal under every policy: it can't be removed"),
    ],
)  # fmt: skip
def test_what_breaks_a_promise_does_not_load(destination: str, old: str, new: str, key: str, promise: str) -> None:
    text, line = changed(destination, old, new)
    assert f"policy.yaml:{line}: {key}: {promise}" in broken(text).splitlines()


@pytest.mark.parametrize("signal", ["otlp/logs", "otlp/traces", "otlp/metrics", "kannelle.privacy.v1.ActivityEntry"])
def test_what_a_log_feeds_is_one_whatever_it_calls_itself(signal: str) -> None:
    text, _ = changed("", "otlp/logs: [log]", f"{signal}: [log, archive]")
    _, line = changed("archive", "allow:", "")
    said = [f"policy.yaml:{line}: destinations.archive.allow.{one}: {LOG_ALLOW_TEXT}; it is a log by {signal}"
            for one in ("NAME", "FREE_TEXT")]  # fmt: skip
    assert broken(text).splitlines() == said


@pytest.mark.parametrize(
    "pattern", ["[A-Za-z -]{1,64}", "x_[A-Za-z]{1,30}", "(?i)x_[a-z]{1,30}", "st_[0-9]{1,3}|[A-Z][a-z]{1,30}", "[0-9]{8}",
                "v[0-9]|(x|y)_[A-Za-z]{1,30}", r"\\pL{1,40}", "[^@]{1,40}", "(?i:[a-z]{2,12}){1,3}"],
)  # fmt: skip
def test_no_open_pattern_leaves_the_eu(pattern: str) -> None:
    text, line = changed("", "st_[0-9]{1,3}", pattern)
    assert broken(text).startswith(f"policy.yaml:{line}: classifications.t.Item.state: at analytics, in US, lets a ")
    assert OPEN in broken(text)


@pytest.mark.parametrize("detector", ["card", "iban", "coordinates"])
def test_what_is_never_collected_is_looked_for_in_every_field(detector: str) -> None:
    text, line = changed("", '"st_[0-9]{1,3}"', f'"st_[0-9]{{1,3}}", without: [{detector}]')
    assert broken(text).startswith(f"policy.yaml:{line}: classifications.t.Item.state.without")


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("t.Item: [archive, crm, directory, analytics]", "t.Item: [archive, crm, analytics]", "destinations.directory",
         "nothing feeds it"),
        ("t.Item: [archive", "t.Itme: [archive]\n  t.Item: [archive", "flows.t.Itme", "no contract"),
    ],
)  # fmt: skip
def test_what_nothing_feeds_and_what_nobody_knows_is_found_by_lint(
    old: str, new: str, key: str, said: str, tmp_path: Path
) -> None:
    text, line = changed("", old, new)
    code, out = lint(text, tmp_path)
    if key.startswith("destinations"):
        line = text[: text.index("  directory:\n")].count("\n") + 1
    (found,) = [one for one in out.splitlines() if f"policy.yaml:{line}: {key}: error: " in one]
    assert (code, said in found) == (1, True)


@pytest.mark.parametrize(
    ("destination", "old", "new", "key"),
    [
        ("analytics", "purpose: analytics", "purpose: marketing.advertising", "destinations.analytics.purpose"),
        ("archive", "legal_basis: CONTRACT", "legal_basis: LEGITIMATE_INTERESTS", "destinations.archive.legal_basis"),
        ("crm", "retention: 90d", "retention: 100y", "destinations.crm.retention"),
    ],
)
def test_what_data_is_used_for_and_how_long_it_is_kept_does_not_change_unseen(
    destination: str, old: str, new: str, key: str, tmp_path: Path
) -> None:
    text, _ = changed(destination, old, new)
    was, now = tmp_path / "was.yaml", tmp_path / "now.yaml"
    was.write_text(KEPT)
    now.write_text(text)
    code, out = command("diff", was, now, "--contracts", contracts(tmp_path))
    assert (code, key in out) == (1, True)
    assert command("diff", was, was, "--contracts", contracts(tmp_path))[0] == 0


def contracts(folder: Path) -> Path:
    (folder / "protos").mkdir(exist_ok=True)
    (folder / "protos" / "t.proto").write_text(PROTO)
    return folder / "protos"


def lint(text: str, folder: Path) -> tuple[int, str]:
    (folder / "policy.yaml").write_text(text)
    return command("lint", "--contracts", contracts(folder), "--policy", folder / "policy.yaml")
