"""Which files exporters write: none that the gateway keeps for itself, reads, or has given to another exporter."""

from __future__ import annotations

import re
from typing import Final

import pytest

from gateway.errors import BadPolicy
from gateway.exporters.jsonl.settings import PATH_FORM, RESERVED_SUFFIX, is_exporter_file, is_valid_path
from gateway.policy.load import parse

HEAD: Final = """\
version: 1
controller: C
user_id: {pattern: "usr_[a-z]{1,8}"}
flows: {}
"""

TO: Final = "recipient: vendor, region: US, purpose: sales, legal_basis: CONTRACT, retention: 1d, allow: [OPERATIONAL]"


def policy(*destinations: str, said: str = "") -> str:
    """A policy with these destinations, `name: exporter` each, one a line from line 6 on."""
    lines = ((name, exporter) for name, _, exporter in (one.partition(": ") for one in destinations))
    return (
        f"{HEAD}destinations:\n"
        + "".join(f"  {name}: {{{TO}, exporter: {exporter}}}\n" for name, exporter in lines)
        + said
    )


def jsonl(path: str, name: str = "to") -> str:
    return f"{name}: {{kind: jsonl, path: {path!r}}}"


def faults(text: str) -> list[str]:
    with pytest.raises(BadPolicy) as caught:
        parse(text)
    return str(caught.value).splitlines()


OWN: Final = (
    *("keys", ".keys.0123456789abcdef", "plans.json", "plans.json.new", "admin.sock"),
    *(
        "outbox.db",
        "outbox.db-wal",
        "outbox.db-shm",
        "outbox.db-journal",
        "outbox.db.lock",
        "outbox.db.damaged-1700000000",
    ),
    *("segment-write-key", "zendesk-email", "zendesk-token"),
)
"""What the gateway, and its demo, have in the state folder."""


@pytest.mark.parametrize(
    "path",
    [
        *OWN,
        *(f"/var/lib/privacy-gateway/{name}" for name in OWN),
        *(
            "../../x.jsonl",
            "../x.jsonl",
            "a/../../x.jsonl",
            "a/x.jsonl",
            "keys/x.jsonl",
            "outbox.db-wal/x.jsonl",
            "./x.jsonl",
            "~/x.jsonl",
        ),
        *(
            "/a/../x.jsonl",
            "/./x.jsonl",
            "//x.jsonl",
            "/a//x.jsonl",
            "/x.jsonl/",
            "/",
            ".",
            "..",
            "/..",
            "x.jsonl/",
            "--",
            "-x",
            "/-",
        ),
        *("x.jsonl.1", "x.jsonl.lock", "x.jsonl.new", ".jsonl", "/a/.jsonl", "x.JSONL", "x.jsonl ", "xjsonl", "x.json"),
        *(
            "/etc/passwd",
            "/dev/stdout",
            "approvals.lock",
            "protos/a.proto",
            "contracts.binpb",
            "/tls/tls.key",
            "policy.yaml",
        ),
        *(f"{'x' * 215}.jsonl", f"/{'é' * 110}.jsonl", f"/{'d' * 221}/x.jsonl"),
        *("a\tb.jsonl", "a\nb.jsonl", "a\u202eb.jsonl"),
    ],
)
def test_a_path_that_may_not_be_written_to_is_refused(path: str) -> None:
    assert not is_valid_path(path)
    if path.isprintable():
        assert faults(policy(jsonl(path))) == [f"policy.yaml:6: destinations.to.exporter.path: {PATH_FORM}"]


def test_a_path_holds_no_nul() -> None:
    assert not is_valid_path("a\0.jsonl")


@pytest.mark.parametrize(
    "path", ["-", "to.jsonl", "x.jsonl", "a b.jsonl", "é.jsonl", "x.jsonl.jsonl", "/x.jsonl", "/var/log/a.b/x.jsonl"]
)
def test_a_path_that_may_be_written_to_is_taken(path: str) -> None:
    assert parse(policy(jsonl(path))).policy.destinations["to"].exporter.path == path  # type: ignore[union-attr]  # it is a JsonlExporter


@pytest.mark.parametrize(
    ("destinations", "line", "place", "other"),
    [
        (("a: {kind: jsonl}", jsonl("a.jsonl", "b")), 7, "b", "a"),
        ((jsonl("b.jsonl", "a"), "b: {kind: jsonl}"), 6, "a", "b"),
        ((jsonl("B.jsonl", "a"), "b: {kind: jsonl}"), 6, "a", "b"),
        ((jsonl("x.jsonl", "a"), jsonl("x.jsonl", "b")), 7, "b", "a"),
        ((jsonl("x.jsonl", "a"), jsonl("X.jsonl", "b")), 7, "b", "a"),
        ((jsonl("/v/x.jsonl", "a"), jsonl("/v/x.jsonl", "b")), 7, "b", "a"),
    ],
)
def test_a_file_belongs_to_one_destination(destinations: tuple[str, ...], line: int, place: str, other: str) -> None:
    assert faults(policy(*destinations)) == [
        f"policy.yaml:{line}: destinations.{place}.exporter.path: is the file of destinations.{other}"
    ]


@pytest.mark.parametrize(
    "destinations",
    [
        (jsonl("-", "a"), jsonl("-", "b")),
        (jsonl("a.jsonl", "a"), jsonl("b.jsonl", "b")),
        (jsonl("/v/x.jsonl", "a"), jsonl("x.jsonl", "b")),
        ("a: {kind: jsonl}", "b: {kind: jsonl}"),
        ("a: {kind: 'null'}", jsonl("a.jsonl", "b")),
    ],
)
def test_destinations_have_files_of_their_own(destinations: tuple[str, ...]) -> None:
    assert len(parse(policy(*destinations)).policy.destinations) == 2


@pytest.mark.parametrize(
    "name",
    ["../a", "a/b", "..", ".", "a.b", "a b", "A", "1a", "-", "a" * 64, '"a\\0b"', '""', "a\u00e9", "a_b", "keys.jsonl"],
)
def test_a_destination_is_named_so_that_a_file_can_be(name: str) -> None:
    (said,) = faults(policy(f"{name}: {{kind: jsonl}}"))
    named = re.escape("must be a name of lower-case letters, digits and hyphens, a letter first")
    assert re.search(rf"{named}|a key must be printable text of 1 to 500 characters", said)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        *((path, True) for path in ("x.jsonl", "x.jsonl.1", "x.jsonl.20", "x.jsonl.lock", "/a/X.JSONL.3", ".jsonl")),
        *(
            (path, False)
            for path in (*OWN, "approvals.lock", "x.jsonl.pem", "x.jsonl/tls.key", "jsonl", "x.jsonl.1.pem", "tls.key")
        ),
    ],
)
def test_what_exporters_write_is_told_by_its_name(path: str, written: bool) -> None:
    assert is_exporter_file(path) is written


ZENDESK: Final = "kind: zendesk, endpoint: 'http://localhost:1', items: {}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (policy("to: {kind: jsonl}", said="approvals: other.jsonl\n"), "7: approvals"),
        (policy("to: {kind: jsonl}", said="approvals: other.jsonl.3\n"), "7: approvals"),
        (policy("to: {kind: otlp, endpoint: 'http://localhost:1', ca: /a/b.jsonl}"), "6: destinations.to.exporter.ca"),
        (policy(f"to: {{{ZENDESK}, oauth: {{file: b.jsonl.lock}}}}"), "6: destinations.to.exporter.oauth.file"),
        (policy(f"to: {{{ZENDESK}, oauth: {{file: b}}, ca: b.jsonl.1}}"), "6: destinations.to.exporter.ca"),
    ],
)
def test_what_is_read_is_not_called_as_what_is_written(text: str, place: str) -> None:
    assert f"policy.yaml:{place}: {RESERVED_SUFFIX}" in faults(text)
