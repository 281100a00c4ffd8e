"""Vendors' hosts, and what a policy may say of them."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

import gateway.exporters
from gateway.errors import BadPolicy
from gateway.exporters.registry import KINDS as SETTINGS
from gateway.exporters.registry import REGION_BY_HOST
from gateway.exporters.settings import EndpointSettings, SettingsBase, TemplateSettings
from gateway.exporters.template.body_schema import BodySchema
from gateway.policy.load import parse

EXPORTERS: Final = Path(gateway.exporters.__file__).parent

KINDS: Final = {
    "segment": "write_key: {env: K}, items: {}",
    "mixpanel": "project_id: 1, username: {env: U}, password: {env: P}, items: {}",
    "zendesk": "oauth: {env: K}, items: {}",
    "webhook": "secret: {env: K}",
}


def policy(kind: str, endpoint: str, region: str, hosts: str = "{}", said: str = "") -> str:
    return f"""\
version: 1
controller: C
user_id: {{pattern: "usr_[a-z]{{1,8}}"}}
flows: {{}}
hosts: {hosts}
destinations:
  to:
    recipient: vendor
    region: {region}
    purpose: sales
    legal_basis: CONTRACT
    retention: 1d
    allow: [OPERATIONAL]
    exporter: {{kind: {kind}, endpoint: {endpoint!r}, {said or KINDS[kind]}}}
"""


def fault(text: str) -> str:
    with pytest.raises(BadPolicy) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "host", "region"),
    [
        (kind.__struct_config__.tag, host, region)
        for kind in SETTINGS
        if issubclass(kind, EndpointSettings)
        for host, region in kind.REGION_BY_HOST.items()
    ],
)
def test_a_known_host_needs_no_listing_in_its_region(kind: str, host: str, region: str) -> None:
    assert parse(policy(kind, f"https://{host}", region)).policy.destinations["to"].region == region


@pytest.mark.parametrize(
    ("kind", "endpoint", "region"),
    [
        ("segment", "https://api.segment.io", "IE"),
        ("segment", "https://events.eu1.segmentapis.com", "US"),
        ("segment", "https://api.segment.io.evil.example", "US"),
        ("segment", "https://evil.api.segment.io", "US"),
        ("segment", "https://api.mixpanel.com", "US"),
        ("mixpanel", "https://api-eu.mixpanel.com", "NL"),
        ("zendesk", "https://acme.zendesk.com", "US"),
        ("webhook", "https://api.segment.io/v1", "US"),
        ("webhook", "https://hooks.kannelle.example", "FR"),
    ],
)
def test_any_other_host_must_be_listed(kind: str, endpoint: str, region: str) -> None:
    said = fault(policy(kind, endpoint, region))
    assert said == f"policy.yaml:14: destinations.to.exporter.endpoint: its host must be listed under hosts.{region}"


@pytest.mark.parametrize(
    ("kind", "endpoint", "region"),
    [
        ("zendesk", "https://acme.zendesk.com", "US"),
        ("mixpanel", "https://api-eu.mixpanel.com/", "NL"),
        ("segment", "https://rudder.kannelle.example:8443", "FR"),
        ("webhook", "https://hooks.kannelle.example/in/1", "FR"),
    ],
)
def test_a_listed_host_is_in_its_region(kind: str, endpoint: str, region: str) -> None:
    host = urlsplit(endpoint).hostname
    assert parse(policy(kind, endpoint, region, f"{{{region}: [{host}]}}")).policy.destinations["to"].region == region


@pytest.mark.parametrize(("host", "region"), sorted(REGION_BY_HOST.items()))
def test_no_policy_moves_a_vendors_host(host: str, region: str) -> None:
    said = fault(policy("webhook", "http://localhost:1", "FR", f"{{FR: [{host}]}}"))
    assert said == f"policy.yaml:5: hosts.FR.{host}: is in {region}, as its vendor says"


@pytest.mark.parametrize(
    ("kind", "endpoint", "form"),
    [
        *((kind, f"https://api.segment.io{more}", form)
          for kind, form in (("segment", "https://host"), ("webhook", "https://host/path"))
          for more in ("?a=hunter2", "#hunter2", ":x", ":99999")),
        ("segment", "https://api.segment.io/v1", "https://host"),
        ("zendesk", "https://hunter2@acme.zendesk.com", "https://host"),
        ("webhook", "https://hunter2:x@hooks.kannelle.example/in", "https://host/path"),
        ("webhook", "ftp://hooks.kannelle.example/in", "https://host/path"),
        ("webhook", "https:///in", "https://host/path"),
        ("webhook", "https://hooks.kannelle.example/a b", "https://host/path"),
    ],
)  # fmt: skip
def test_an_endpoint_is_a_host_and_nothing_more(kind: str, endpoint: str, form: str) -> None:
    assert (
        fault(policy(kind, endpoint, "US"))
        == f"policy.yaml:14: destinations.to.exporter.endpoint: must be {form}, and nothing more"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_only_loopback_may_be_plain(kind: str) -> None:
    assert parse(policy(kind, "http://127.0.0.1:8080", "US")).policy.destinations["to"].region == "US"
    said = fault(policy(kind, "http://vendor.example", "US", "{US: [vendor.example]}"))
    assert said == "policy.yaml:14: destinations.to.exporter.endpoint: must be https, for it leaves this machine"


ONE = "must say one of env and file"
WAY = "must say oauth, or email and token"


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("segment", "write_key: hunter2, items: {}", ".write_key: must be a mapping of keys to values"),
        ("segment", "write_key: {}, items: {}", f".write_key: {ONE}"),
        ("segment", "write_key: {env: A, file: b}, items: {}", f".write_key: {ONE}"),
        ("segment", "write_key: {env: hunter2-hunter2}, items: {}", (".write_key.env: must be the name of an "
                                                                    "environment variable")),
        ("segment", "items: {}", ".write_key: is required"),
        ("webhook", "secret: whsec_hunter2", ".secret: must be a mapping of keys to values"),
        ("mixpanel", "project_id: 1, username: {env: A}, password: hunter2, items: {}", ".password: must be a mapping of keys to values"),
        ("zendesk", "items: {}", f": {WAY}"), ("zendesk", "email: {env: A}, items: {}", f": {WAY}"),
        ("zendesk", "token: {env: A}, items: {}", f": {WAY}"),
        ("zendesk", "email: {env: A}, token: {env: B}, oauth: {env: C}, items: {}", f": {WAY}"),
    ],
)  # fmt: skip
def test_a_credential_is_somewhere_else(kind: str, said: str, expected: str) -> None:
    assert (
        fault(policy(kind, "http://localhost:1", "US", said=said))
        == f"policy.yaml:14: destinations.to.exporter{expected}"
    )


def test_a_host_is_of_one_vendor() -> None:
    hosts = [host for kind in SETTINGS if issubclass(kind, EndpointSettings) for host in kind.REGION_BY_HOST]
    assert sorted(hosts) == sorted(REGION_BY_HOST) != []


@pytest.mark.parametrize("kind", [kind for kind in SETTINGS if issubclass(kind, TemplateSettings)])
def test_what_is_known_of_a_body_holds_together(kind: type[TemplateSettings]) -> None:
    holds_together(kind.BODY)


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_kind_is_a_folder_with_its_settings_and_its_exporter(kind: type[SettingsBase]) -> None:
    folder = EXPORTERS / str(kind.__struct_config__.tag)
    assert Path(inspect.getfile(kind)) == folder / "settings.py"
    assert (folder / "exporter.py").is_file()


def test_each_folder_of_a_kind_is_in_the_registry() -> None:
    assert {path.parent.name for path in EXPORTERS.glob("*/settings.py")} == {
        kind.__struct_config__.tag for kind in SETTINGS
    }


def test_a_policy_is_read_without_what_sends() -> None:
    names = "('asyncio', 'grpc', 'aiohttp', 'sqlite3', 'gateway.exporters.base')"
    program = f"import sys, gateway.policy.load; print([name for name in {names} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "[]\n"


def holds_together(shape: BodySchema) -> None:
    assert {*shape.required, *shape.nested, *shape.reserved, *shape.markup_by_field} <= shape.fields.keys()
    assert not {*shape.nested} & {*shape.reserved}
    for inner in shape.nested.values():
        holds_together(inner)
