"""While `serve` loads its modules, the system's certificates are not read; afterwards they count as before."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from gateway.cli.system_roots import VARIABLES, no_system_roots
from gateway.exporters.ca_certificates import tls_context


@pytest.mark.parametrize("given", [(), VARIABLES[:1], VARIABLES])
def test_a_context_made_meanwhile_trusts_nobody_and_one_made_later_whom_the_system_does(
    given: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "roots").mkdir()
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    for name, path in zip(VARIABLES, ("roots.pem", "roots"), strict=True):
        monkeypatch.setenv(name, str(tmp_path / path))
        if name not in given:
            monkeypatch.delenv(name)
    environment, trusted = dict(os.environ), ssl.create_default_context().get_ca_certs()
    with no_system_roots():
        assert not ssl.create_default_context().get_ca_certs()
        cafile, capath, *_ = ssl.get_default_verify_paths()
        assert not cafile
        assert not capath
    assert dict(os.environ) == environment
    assert tls_context(None, "exporter").get_ca_certs() == trusted
    assert len(trusted) == 1 or not given


def test_the_environment_is_as_before_when_loading_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLES[0], "/roots.pem")
    monkeypatch.delenv(VARIABLES[1], raising=False)
    with pytest.raises(ImportError), no_system_roots():
        raise ImportError
    assert os.environ[VARIABLES[0]] == "/roots.pem"
    assert VARIABLES[1] not in os.environ


def test_what_aiohttp_has_made_trusts_nobody() -> None:
    """A request that named nobody would fail, not go to anybody."""
    program = (
        "from gateway.cli.system_roots import no_system_roots\n"
        "with no_system_roots():\n"
        "    from gateway import app\n"
        "from aiohttp import connector\n"
        "print(len(connector._SSL_CONTEXT_VERIFIED.get_ca_certs()), connector._SSL_CONTEXT_VERIFIED.verify_mode.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0 CERT_REQUIRED\n"
