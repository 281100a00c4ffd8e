"""Runs `certificates` in the working folder, and reads the secrets that it prints."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from click.testing import CliRunner, Result
from cryptography import x509

from gateway.cli import main
from gateway.tls import Material

VALUES: Final = (
    "namespaces:\n- {name: video, serviceAccounts: [studio, editor]}\n- {name: crm, serviceAccounts: [api]}\n"
)


def issue(*arguments: str, values: str = VALUES) -> Result:
    Path("values.yaml").write_text(values)
    command = ("certificates", "--values", "values.yaml", "-n", "privacy-gateway", "--ca", "ca", *arguments)
    return CliRunner().invoke(main, command, prog_name="privacy-gateway")


def issued_secrets(*arguments: str, values: str = VALUES) -> dict[tuple[str, str], Material]:
    """What is in the secrets that are printed, by namespace and name."""
    done = issue(*arguments, values=values)
    assert done.exit_code == 0, done.stderr
    return {
        (one["metadata"]["namespace"], one["metadata"]["name"]): material_of(one)
        for one in yaml.safe_load_all(done.stdout)
    }


def material_of(secret: Mapping[str, Any]) -> Material:
    assert (secret["kind"], secret["type"], set(secret["data"])) == (
        "Secret",
        "kubernetes.io/tls",
        {"tls.crt", "tls.key", "ca.crt"},
    )
    return Material(*(base64.b64decode(secret["data"][name]) for name in ("tls.crt", "tls.key", "ca.crt")))


def certificate(held: Material) -> x509.Certificate:
    return x509.load_pem_x509_certificate(held.certificate)


def names(held: Material) -> list[str]:
    found = certificate(held).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]
