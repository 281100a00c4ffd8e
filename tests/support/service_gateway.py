"""A gateway beside a service, in a process of its own: who the service is stands in its certificate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.gateway_process import GatewayProcess
from tests.support.proxy_certificates import certificate_for, dns, uri, write_tls


@contextmanager
def run_service_gateway(
    folder: Path,
    policy: str,
    service: str,
    listener: str,
    authorities: Sequence[str],
    *,
    contracts: Sequence[Path] = (),
) -> Iterator[GatewayProcess]:
    """Run one with a listener for calls between services, which others call by these authorities.

    Without contracts, Kannelle's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.yaml").write_text(policy)
    tls = write_tls(folder, certificate_for(uri(service), *map(dns, authorities)))
    given = {
        "POLICY": "policy.yaml",
        "SERVICE": service,
        "TLS": f"{{certificate: {tls.certificate}, key: {tls.key}, ca: {tls.ca}}}",
        f"LISTENERS__{listener.upper()}__ADDRESS": "127.0.0.1:0",
        **({"CONTRACTS": f"[{', '.join(map(str, contracts))}]"} if contracts else {}),
    }
    with GatewayProcess(
        folder, environ={f"PRIVACY_GATEWAY__{name}": value for name, value in given.items()}
    ) as process:
        process.listener_address(listener)
        yield process
