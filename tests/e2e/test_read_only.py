"""All roles work where everything is read-only but the state folder, and home and temporary folder are none.

An agent without an outbox needs not even that folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from kannelle.privacy.v1.analytics_pb2 import TrackEventRequest

from gateway.contracts.load import default_path
from tests.delivery.outboxes import mount, on_a_volume
from tests.support.channels import blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.proxy_certificates import certificate_for, dns, write_tls
from tests.support.proxy_process import wait_until
from tests.support.requests import TRACK, event

PROTO: Final = """syntax = "proto3";
package t;
import "kannelle/privacy/v1/annotations.proto";
message A { string id = 1 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_USER_ID]; }
"""

DESTINATION: Final = """recipient: service, region: FR, purpose: essential.service, legal_basis: CONTRACT, retention: 30d, \
allow: [USER_ID, OPERATIONAL]"""

POLICY: Final = f"""version: 1
controller: A
user_id: {{pattern: "usr_[a-z0-9]{{1,9}}"}}
ceilings: {{FR: [USER_ID, OPERATIONAL]}}
destinations: {{events: {{{DESTINATION}}}}}
flows: {{t.A: [events], kannelle.privacy.v1.AnalyticsService/*: [events]}}
tracking_plan: {{video.exported: {{}}}}
"""

NO_FOLDERS: Final = {"HOME": "/nonexistent", "TMPDIR": "", "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": ""}


@pytest.mark.parametrize("case", ["everything", "stateless"])
def test_nothing_is_written_but_in_the_state_folder(case: str, tmp_path: Path) -> None:
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos" / "a.proto").write_text(PROTO)
    (tmp_path / "policy.yaml").write_text(POLICY)
    for name in ("hub", "agent"):
        (tmp_path / name).mkdir()
        write_tls(tmp_path / name, certificate_for(dns("localhost")))
    on_a_volume({"everything": _all, "stateless": _agent_and_hub}[case], tmp_path / "volume", "-t", "tmpfs", "none")


def _settings(volume: Path, name: str, **more: str) -> Mapping[str, str]:
    folder = volume.parent
    given = {
        "POLICY": str(folder / "policy.yaml"),
        "CONTRACTS": f"[{folder / 'protos'}, {default_path()}]",
        **more,
    }
    tls = {f"TLS__{key.upper()}": str(folder / name / f"{file}") for key, file in TLS_FILES.items()} if name else {}
    return {f"PRIVACY_GATEWAY__{key}": value for key, value in {**given, **tls}.items()} | NO_FOLDERS


TLS_FILES: Final = {"certificate": "tls.crt", "key": "tls.key", "ca": "ca.crt"}


def _make_all_else_read_only(volume: Path) -> None:
    """Leave `volume` alone writable, of all that is mounted in this namespace."""
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in sorted({*places} - {str(volume), "/proc"}):
        mount("-o", "remount,bind,ro", place)
    for folder in (volume.parent, Path.cwd()):
        with pytest.raises(OSError, match="Read-only"):
            (folder / "try").touch()
    with pytest.raises(FileNotFoundError, match="No usable temporary directory"):
        tempfile.gettempdir()


def _checked(folder: Path, environ: Mapping[str, str]) -> Any:
    """What `config check` says."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "config", "check", "--format", "json"],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def _sent(process: GatewayProcess, user: str) -> None:
    with blocking_channel(process.address) as channel:
        request = TrackEventRequest(request_id=user, event=event(user)).SerializeToString()
        assert isinstance(call(channel, TRACK, request), bytes)


def _all(volume: Path) -> None:
    _make_all_else_read_only(volume)
    state = volume / "state"
    environ = _settings(volume, "", STATE=str(state))
    assert _checked(volume.parent, environ)["state"] == str(state)
    assert not state.exists()
    for user in ("usr_a", "usr_b"):
        with GatewayProcess(volume.parent, environ=environ) as process:
            _sent(process, user)
            assert process.stop() == 0
            assert b"read-only" not in process.output.lower()
    lines = (state / "events.jsonl").read_text().splitlines()
    assert [user for user in ("usr_a", "usr_b") if any(user in line for line in lines)] == ["usr_a", "usr_b"]


def _agent_and_hub(volume: Path) -> None:
    _make_all_else_read_only(volume)
    state = volume / "state"
    with reserved() as port:
        listener = {"ADDRESS": f"127.0.0.1:{port}", "AGENTS": "[localhost]"}
        hub_environ = _settings(
            volume,
            "hub",
            ROLE="hub",
            STATE=str(state),
            **{f"LISTENERS__DELIVERY__{key}": value for key, value in listener.items()},
        )
        agent_environ = _settings(volume, "agent", ROLE="agent", HUB__ADDRESS=f"localhost:{port}", OUTBOX="null")
        assert _checked(volume.parent, agent_environ)["state"] is None
        assert _checked(volume.parent, hub_environ)["state"] == str(state)
        with GatewayProcess(volume.parent, environ=hub_environ) as hub:
            assert hub.address
            for user in ("usr_a", "usr_b"):
                with GatewayProcess(volume.parent, environ=agent_environ) as agent:
                    agent.wait_for_output(b"the hub takes what it is handed")
                    _sent(agent, user)
                    assert agent.stop() == 0
            events = state / "events.jsonl"
            wait_until(lambda: events.exists() and all(user in events.read_text() for user in ("usr_a", "usr_b")))
            assert hub.stop() == 0
    assert [path.name for path in volume.iterdir()] == ["state"]
