"""Pages and schemas of policy and configuration say what the structs say; schemas refuse what the loader does."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from click.testing import CliRunner

from docs import keys
from docs.fields import docstrings, reachable_structs, summary
from gateway.cli import main
from gateway.config import Config
from gateway.errors import BadSetup
from gateway.policy.document import Policy
from gateway.policy.load import default_path
from gateway.yamlfile import Node, build, compose

ROOT: Final = Path(__file__).parents[1]
STRUCTS: Final[dict[str, Any]] = {"policy": Policy, "configuration": Config}
BOTH: Final = [*reachable_structs(Policy), *reachable_structs(Config)]
POLICIES: Final = [
    default_path(),
    ROOT / "tests/conformance/policy.yaml",
    *sorted((ROOT / "tests/vectors").glob("*.yaml")),
]


def schema(what: str) -> Any:
    package = {"policy": "gateway.policy", "configuration": "gateway.config"}[what]
    return json.loads((importlib.resources.files(package) / f"{what}.schema.json").read_text(encoding="utf-8"))


VALIDATORS: Final = {what: jsonschema.Draft202012Validator(schema(what)) for what in STRUCTS}


def plain(node: Node) -> Any:
    match node.value:
        case dict(entries):
            return {key: plain(entry) for key, entry in entries.items()}
        case list(items):
            return [plain(item) for item in items]
    return node.value


def fits(what: str, text: str) -> tuple[bool, bool]:
    """Whether the schema, and the loader, take a document."""
    root = compose(text, "document", BadSetup)
    try:
        build(root, STRUCTS[what], BadSetup)
    except BadSetup:
        return VALIDATORS[what].is_valid(plain(root)), False
    return VALIDATORS[what].is_valid(plain(root)), True


def test_what_is_generated_is_in_step() -> None:
    assert [path.name for path, text in keys.files().items() if path.read_text(encoding="utf-8") != text] == []


@pytest.mark.parametrize("struct", BOTH, ids=lambda struct: struct.__name__)
def test_every_key_says_what_it_is(struct: Any) -> None:
    assert summary(struct).endswith(".")
    assert {name: text[-1:] for name, text in docstrings(struct).items()} == dict.fromkeys(
        struct.__struct_fields__, "."
    )


@pytest.mark.parametrize("what", STRUCTS)
def test_a_schema_is_one(what: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(what))


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_policies_fit_the_schema(path: Path) -> None:
    found = [
        error.json_path
        for error in VALIDATORS["policy"].iter_errors(plain(compose(path.read_text(), path.name, BadSetup)))
    ]
    assert found == []


DESTINATION: Final = "recipient: vendor, region: US, purpose: sales, legal_basis: CONTRACT, allow: [USER_ID]"
BASE: Final = "version: 1\ncontroller: A\nuser_id: {pattern: a}\nflows: {}\n"


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ("destinations: {}", True),
        ("", False),
        ("destinations: []", False),
        ("destinations: {}\nzzz: 1", False),
        ("destinations: {A: {}}", False),
        (f"destinations: {{a: {{{DESTINATION}, retention: 365d}}}}", True),
        (f"destinations: {{a: {{{DESTINATION}, retention: 1.5y}}}}", True),
        (f"destinations: {{a: {{{DESTINATION}, retention: 365}}}}", False),
        (f"destinations: {{a: {{{DESTINATION}, retention: 12m}}}}", False),
        (f"destinations: {{a: {{{DESTINATION}, retention: 0d}}}}", False),
        (f"destinations: {{a: {{{DESTINATION.replace('sales', 'sale')}, retention: 1y}}}}", False),
        (f"destinations: {{a: {{{DESTINATION.replace('US', 'us')}, retention: 1y}}}}", False),
        (f"destinations: {{a: {{{DESTINATION.replace('US', 'USA')}, retention: 1y}}}}", False),
        (f"destinations: {{a: {{{DESTINATION.replace('[USER_ID]', '[USER_ID, USER_ID]')}, retention: 1y}}}}", False),
        (f"destinations: {{a: {{{DESTINATION.replace('[USER_ID]', '[1]')}, retention: 1y}}}}", False),
        (f"destinations: {{a: {{{DESTINATION}, retention: 1y, exporter: {{kind: null}}}}}}", True),
        (f"destinations: {{a: {{{DESTINATION}, retention: 1y, exporter: {{}}}}}}", False),
        (f"destinations: {{a: {{{DESTINATION}, retention: 1y, exporter: {{kind: jsonl, backups: -1}}}}}}", False),
        (f"destinations: {{a: {{{DESTINATION}, retention: 1y, exporter: {{kind: jsonl, endpoint: a}}}}}}", False),
        (
            (
                f"destinations: {{a: {{{DESTINATION}, retention: 1y, exporter: {{kind: otlp, endpoint: a, timeout: "
                f"2s}}}}}}"
            ),
            True,
        ),
        (
            f"destinations: {{a: {{{DESTINATION}, retention: 1y, exporter: {{kind: otlp, endpoint: a, timeout: 2}}}}}}",
            False,
        ),
        (
            f"destinations: {{a: {{{DESTINATION}, retention: 1y, exporter: {{kind: otlp, endpoint: a, timeout: 0}}}}}}",
            False,
        ),
        ("destinations: {}\notlp: {attributes: {a: USER_ID, b: {category: NAME}}}", True),
        ("destinations: {}\notlp: {attributes: {a: USERID}}", False),
        ("destinations: {}\notlp: {attributes: {a: {kategory: NAME}}}", False),
        ("destinations: {}\nroutes: [{authority: a, upstream: [], destination: a}]", True),
        ("destinations: {}\nroutes: [{authority: a, upstream: {}, destination: a}]", False),
        ("destinations: {}\nroutes: {}", False),
        ("destinations: {}\nclassifications: {Contact: {category: NAME}}", False),
        ("destinations: {}\ntimestamps: {days_around_receipt: 366}", False),
    ],
)
def test_a_policy_that_the_loader_refuses_for_its_form_the_schema_refuses(more: str, good: bool) -> None:
    assert fits("policy", BASE + more) == (good, good)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("{}", True),
        ("stop: {grace: 10s, notice: 0}", True),
        ("stop: {grace: 10}", False),
        ("stop: {grace: 10m}", False),
        ("outbox: null", True),
        ("stop: null", False),
        ("role: both", False),
        ("reflection: 1", False),
        ("contracts: a", False),
        ("listeners: {inbound: {max_connection_age: 0}}", False),
        ("listeners: {inbound: {max_connection_age: 0s}}", False),
        ("listeners: {local: {max_message_bytes: 1}}", False),
        ("service: spiffe://kannelle.example/video", True),
        ("service: Video", False),
        ("hub: {address: hub}", False),
    ],
)
def test_a_configuration_likewise(text: str, good: bool) -> None:
    assert fits("configuration", text) == (good, good)


@pytest.mark.parametrize("what", STRUCTS)
def test_the_command_prints_the_schema(what: str) -> None:
    done = CliRunner().invoke(main, ["config", "schema", what])
    assert (done.exit_code, json.loads(done.output)) == (0, schema(what))


def test_the_purposes_that_an_error_speaks_of_are_on_the_page() -> None:
    page = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
    assert '<a id="purposes"></a>' in page
    assert "- `essential.service.security`" in page
