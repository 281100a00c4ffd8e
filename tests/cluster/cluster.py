"""A Kubernetes cluster without nodes: an API server and a controller manager, each a process, on loopback.

What is created is admitted, defaulted and kept, and controllers make pods; nothing schedules or runs them.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.chart.helm import program
from tests.cluster.api import Api
from tests.support.gateway_process import WatchedProcess
from tests.support.ports import reserved
from tests.support.proxy_process import wait_until

TOKEN: Final = "administrator"

# Nobody reports of the nodes that tests make: they would be taken for dead.
CONTROLLERS: Final = "*,-node-lifecycle-controller"


class Failed(Exception):
    """A program's text when it failed."""


class Cluster:
    """A cluster that runs. `api` is its server, `kubeconfig` the file by which programs find it."""

    def __init__(self, api: Api, kubeconfig: Path) -> None:
        self.api, self.kubeconfig = api, kubeconfig

    def helm(self, *arguments: str, given: Mapping[str, Any] | None = None) -> str:
        """What helm prints. Raises Failed. `given`: values."""
        values = () if given is None else ("--values", "-")
        return self._run("helm", *arguments, *values, standard_input="" if given is None else yaml.safe_dump(given))

    def kubectl(self, *arguments: str, standard_input: str = "") -> str:
        """What kubectl prints. Raises Failed."""
        return self._run("kubectl", *arguments, standard_input=standard_input)

    def _run(self, name: str, *arguments: str, standard_input: str) -> str:
        done = subprocess.run(
            (program(name), *arguments),
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=standard_input,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise Failed(done.stderr)
        return done.stdout


@contextmanager
def started(folder: Path, *flags: str) -> Iterator[Cluster]:
    """A cluster whose API server has more flags, until the context ends; what it writes is in `folder`."""
    with ExitStack() as stack:
        port = stack.enter_context(reserved())
        context = _certificates(folder)
        kubeconfig = _kubeconfig(folder, port)
        controlplane = program("controlplane")
        environ = {"ETCD_DIR": str(folder / "etcd"), "ETCD_LISTEN": _etcd(folder), "HOME": str(folder)}
        server = stack.enter_context(
            WatchedProcess((controlplane, *_server(folder, port), *flags), folder, {**os.environ, **environ})
        )
        api = Api(f"https://127.0.0.1:{port}", context, TOKEN)
        wait_until(lambda: api.is_ready() or _ended(server))
        stack.enter_context(
            WatchedProcess((controlplane, "controller-manager", *_controllers(folder, kubeconfig)), folder, os.environ)
        )
        yield Cluster(api, kubeconfig)


def _ended(server: WatchedProcess) -> bool:
    assert server.alive, f"the API server has ended: {server.output.decode(errors='replace')[-4000:]}"
    return False


def _etcd(folder: Path) -> str:
    return f"unix://{folder}/etcd.sock:0"


def _server(folder: Path, port: int) -> tuple[str, ...]:
    return (
        f"--etcd-servers={_etcd(folder)}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={folder}/server.crt",
        f"--tls-private-key-file={folder}/server.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={folder}/accounts.key",
        f"--service-account-key-file={folder}/accounts.key",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder}/tokens.csv",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged=true",
        # The address of no machine (RFC 5737): loopback may not be an endpoint.
        "--endpoint-reconciler-type=none",
        "--advertise-address=192.0.2.1",
    )


def _controllers(folder: Path, kubeconfig: Path) -> tuple[str, ...]:
    return (
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        f"--controllers={CONTROLLERS}",
        f"--service-account-private-key-file={folder}/accounts.key",
        f"--root-ca-file={folder}/ca.crt",
    )


def _certificates(folder: Path) -> ssl.SSLContext:
    """Write what the server needs of keys; how its clients trust it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    issued.private_key_pem.write_to_path(folder / "server.key")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(folder / "server.crt", append=True)
    accounts = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "accounts.key").write_bytes(accounts)
    (folder / "tokens.csv").write_text(f"{TOKEN},{TOKEN},1,system:masters\n")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(folder / "ca.crt")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": server}],
        "users": [{"name": TOKEN, "user": {"token": TOKEN}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": TOKEN}}],
        "current-context": "tests",
    }
    path.write_text(yaml.safe_dump(document))
    return path
