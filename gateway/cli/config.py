"""`config check` and `config schema`."""

from __future__ import annotations

import importlib.resources
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gateway.cli.options import FILE, example, output
from gateway.cli.output import plural, print_json

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.policy.method_table import MethodTable
    from gateway.yamlfile import Origin


class PlanRecord(msgspec.Struct, frozen=True):
    """A plan, by what it is for."""

    type: str
    destination: str
    digest: str


class RouteRecord(msgspec.Struct, frozen=True):
    """A route, with all that it carries."""

    listener: str
    authority: str
    destination: str
    mode: str
    callers: list[str]
    methods: list[str]


class ConfigurationRecord(msgspec.Struct, frozen=True):
    """What a configuration leads to.

    `state`: None where none is kept. `mended`: what `serve` puts right by itself. `expired`: certificates with which a
    gateway starts all the same.
    """

    config: str
    role: str
    address: str
    state: str | None
    policy: str
    contracts: list[str]
    plans: list[PlanRecord]
    routes: list[RouteRecord]
    mended: list[str]
    expired: list[str]


@click.group()
def config() -> None:
    """Look after the configuration."""


@config.command(epilog=example("config schema policy >policy.schema.json"))
@click.argument("document", type=click.Choice(["policy", "configuration"]))
def schema(document: str) -> None:
    """Print the JSON Schema of a policy or of the configuration, for editors.

    A document names the schema's file in its first line: # yaml-language-server: $schema=policy.schema.json
    """
    package = {"policy": "gateway.policy", "configuration": "gateway.config"}[document]
    click.echo((importlib.resources.files(package) / f"{document}.schema.json").read_text(encoding="utf-8"), nl=False)


@config.command(epilog=example("config check --config gateway.yaml"))
@click.option("--config", "path", type=FILE, metavar="FILE", help="The configuration. [default: the embedded one]")
@output
def check(path: Path | None, form: str) -> int:
    """Check all that `serve` will need, start nothing.

    Reads the configuration with its overrides from the environment, the policy, the contracts and the approvals, and
    compiles every flow and route; reads TLS files and credentials; looks whether the state folder, exporters' files and
    the folders of sockets can be used. It writes nothing and locks nothing, binds no port and calls nobody, so it may
    run beside a gateway. What `serve` would put right about the state folder is told, and no fault. Exits with 2, and a
    line for each fault, where `serve` wouldn't start; with 1 where it would, with a certificate that has expired.
    """
    from gateway.config import read  # noqa: PLC0415 help doesn't wait for it
    from gateway.errors import BadSetup  # noqa: PLC0415

    try:
        config, origin = read(path, os.environ)
        record = _configuration_record(config, origin, path)
    except BadSetup as error:
        if form != "json":
            raise
        print_json({"faults": str(error).splitlines()})
        return 2
    if form == "json":
        print_json(record)
    else:
        _print(record)
    return int(bool(record.expired))


def _print(record: ConfigurationRecord) -> None:
    made = [plural(len(record.plans), "plan"), *([plural(len(record.routes), "route")] if record.routes else [])]
    click.echo(
        f"{record.config}: role {record.role} on {record.address}\n{record.policy}: {', '.join(made)} for "
        f"{', '.join(record.contracts)}"
    )
    for note in (*record.mended, *record.expired):
        click.echo(note, err=True)


def _configuration_record(given: Config, origin: Origin, path: Path | None) -> ConfigurationRecord:
    """What a configuration leads to. Raises BadSetup, with a line for each fault."""
    from gateway.contracts.load import default_path  # noqa: PLC0415 help doesn't wait for it
    from gateway.loading import compile_all, load_sources  # noqa: PLC0415
    from gateway.preflight import preflight  # noqa: PLC0415

    checked = preflight(given, origin, lambda: compile_all(given, *load_sources(given)))
    compiler, file = checked.loaded.flows.compiler, checked.loaded.file
    plans, table = compiler.plans(), compiler.method_table
    for item in sorted({item for item, _ in plans}):
        compiler.subject(item)
    return ConfigurationRecord(
        config="no configuration file" if path is None else str(path),
        role=given.role,
        address=given.listeners.local.address,
        state=str(given.state) if given.keeps_state else None,
        policy=str(file.path),
        contracts=[str(contract) for contract in given.contracts or (default_path(),)],
        plans=[PlanRecord(item, destination, plan.digest) for (item, destination), plan in sorted(plans.items())],
        routes=[_route_record(index, table) for index in range(len(table.routes))],
        mended=[
            f"{origin.at('state')}: {flaw.path}: {flaw.text}; `serve` changes that" for flaw in checked.folder_problems
        ],
        expired=_expired_certificates(given, origin),
    )


def _expired_certificates(given: Config, origin: Origin) -> list[str]:
    """Say which certificates have expired: a gateway starts with them, since they may be replaced while it runs."""
    from gateway import tls  # noqa: PLC0415 as above

    if given.tls is None:
        return []
    now = datetime.now(UTC)
    files = (("certificate", given.tls.certificate), ("ca", given.tls.ca))
    found = zip(files, tls.examine(given.tls).expiries(), strict=True)
    return [
        f"{origin.at('tls', key)}: {path}: expired"
        for (key, path), one in found
        if one.validity(now) is tls.Validity.EXPIRED
    ]


def _route_record(index: int, table: MethodTable) -> RouteRecord:
    route = table.routes[index]
    return RouteRecord(
        listener=route.listener.value,
        authority=route.authority,
        destination=route.destination,
        mode=route.mode.value,
        callers=sorted(route.callers),
        methods=[method.path for carrying, method in table.route_methods() if carrying == index],
    )
