"""`certificates`: a CA, and the secrets with certificates that the chart expects where there is no cert-manager."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from gateway import rfc3339
from gateway.cli.chart_values import NAMESPACE_PATTERN, Secret, expected_secrets, read_values
from gateway.cli.issuing import Issuing, Period, Signer, issue_secret, read_trusted
from gateway.cli.manifests import dump
from gateway.cli.options import FILE, FOLDER, example, output
from gateway.cli.output import plural, print_json
from gateway.errors import BadSetup
from gateway.folder import replace_file
from gateway.json_types import JsonObject
from gateway.tls.authority_folder import CERTIFICATE_FILE, KEY_FILE


class Issued(msgspec.Struct, frozen=True):
    """A certificate that was made: in which secret of which namespace, for whom, and the file of its manifest."""

    namespace: str
    secret: str
    subject: str
    file: str


@click.command(
    epilog=example("certificates --values values.yaml -n privacy-gateway --ca ca | kubectl apply --server-side -f -")
)
@click.option(
    "--values",
    "value_files",
    type=FILE,
    multiple=True,
    required=True,
    metavar="FILE",
    help="The chart's values; several as helm takes them.",
)
@click.option("-n", "--namespace", required=True, metavar="NAME", help="The release's namespace, as helm is told it.")
@click.option(
    "--ca",
    "folder",
    type=FOLDER,
    required=True,
    metavar="DIR",
    help=f"The CA, {CERTIFICATE_FILE} and {KEY_FILE}; made where the folder has neither.",
)
@click.option(
    "--trust",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Another CA's certificate that hub and agents trust too, while one takes the other's place.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    metavar="DAYS",
    help="How long certificates last. [default: the values' certificates.duration, or 90]",
)
@click.option(
    "--ca-days",
    type=click.IntRange(1, 36_500),
    default=3650,
    show_default=True,
    metavar="DAYS",
    help="How long a CA lasts that is made.",
)
@click.option(
    "--output", "target", type=FOLDER, metavar="DIR", help="Write a file for each secret there, for its owner only."
)
@output
def certificates(  # noqa: PLR0913, PLR0917 - as the options are
    value_files: tuple[Path, ...],
    namespace: str,
    folder: Path,
    trust: tuple[Path, ...],
    days: int | None,
    ca_days: int,
    target: Path | None,
    form: str,
) -> None:
    """Make the certificates that the chart expects where `certificates.mode` is `existing`.

    One for the hub and one for each service account of the values' `namespaces`, signed by a CA that is kept in a
    folder. Prints Kubernetes secrets, with private keys, for `kubectl apply`; the CA's own key is in none of them.
    Each run makes all of them anew by the same CA: run it again to add a service account, and before they end.
    """
    _check_call(namespace, target)
    now = datetime.now(UTC).replace(microsecond=0)
    values, origin = read_values(value_files)
    issuing = Issuing(values, origin, now)
    period = issuing.period(days)
    trusted = [read_trusted(path) for path in trust]
    signer = issuing.signer(folder, ca_days, period)
    manifests = {
        secret: issue_secret(secret, signer.authority, trusted, period)
        for secret in expected_secrets(values, namespace)
    }
    if target is None:
        _print_manifests([*manifests.values()], form)
        _print_result(signer, period, len(manifests), err=True)
        return
    issued = [_write(target, secret, manifest) for secret, manifest in manifests.items()]
    if form == "json":
        print_json(_result(signer, period, issued))
    else:
        for one in issued:
            click.echo(f"{one.file}: {one.subject}")
        _print_result(signer, period, len(issued))


def _check_call(namespace: str, target: Path | None) -> None:
    """Raise UsageError for a call that can't be meant."""
    if not re.fullmatch(NAMESPACE_PATTERN, namespace, re.ASCII):
        raise click.UsageError("--namespace must be the name of a namespace: small letters, digits and hyphens.")
    if target is None and sys.stdout.isatty():
        raise click.UsageError(
            "Private keys aren't printed on a terminal. Pass them on, `| kubectl apply --server-side -f -`, "
            "or write them to files: --output DIR."
        )


def _print_manifests(manifests: Sequence[JsonObject], form: str) -> None:
    if form == "json":
        print_json({"apiVersion": "v1", "kind": "List", "items": manifests})
    else:
        click.echo(dump(manifests), nl=False)


def _write(folder: Path, secret: Secret, manifest: JsonObject) -> Issued:
    """Write a manifest for its owner only, in the place of an earlier one. Raises BadSetup."""
    path = folder / f"{secret.namespace}.{secret.name}.yaml"
    try:
        replace_file(path, dump([manifest]).encode())
    except OSError as failure:
        raise BadSetup(f"{path}: can't be written: {failure.strerror}") from None
    return Issued(secret.namespace, secret.name, secret.subject, str(path))


def _print_result(signer: Signer, period: Period, number: int, *, err: bool = False) -> None:
    """Say who signed, until when all is good, and what to keep and to do."""
    for line in _result_lines(signer, period, number):
        click.echo(line, err=err)


def _result_lines(signer: Signer, period: Period, number: int) -> Iterator[str]:
    ends = rfc3339.from_datetime(signer.authority.until)
    yield f"{signer.certificate_file}: {'a new CA' if signer.made else 'the CA'}, until {ends}."
    if signer.made:
        yield f"{signer.key_file}: its key, which is in no secret. Keep it, and keep it safe: the next run signs by it."
    until, before = map(rfc3339.from_datetime, (period.until, period.renew_before))
    yield f"{plural(number, 'certificate')} until {until}. Run this again before {before}, when the chart's alert begins."


def _result(signer: Signer, period: Period, issued: Sequence[Issued]) -> object:
    return {
        "ca": {
            "certificate": str(signer.certificate_file),
            "made": signer.made,
            "not_after": rfc3339.from_datetime(signer.authority.until),
        },
        "not_after": rfc3339.from_datetime(period.until),
        "renew_before": rfc3339.from_datetime(period.renew_before),
        "certificates": issued,
    }
