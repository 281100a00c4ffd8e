"""A hub, an agent with an outbox of its own and one without, whose versions are rolled out one after the other."""

from __future__ import annotations

import base64
import re
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.e2e.recipients import History
from tests.e2e.rollout_versions import AUTHORITY, AWAY, CALLER, Recipients, Version
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.proxy_certificates import certificate_for, dns, write_tls

HUB: Final = "hub"
KEEPING: Final = "keeping"
"""The agent with an outbox, whose service calls the other's."""
DIRECT: Final = "direct"
AGENTS: Final = (KEEPING, DIRECT)

_HUB_IS_UP: Final = b"the hub (?:takes what it is handed|is back)"


class Fleet:
    """All three, and what was in force at each of them when. A test's own thread changes it."""

    def __init__(self, folder: Path, first: Version, recipients: Recipients, stack: ExitStack) -> None:
        """Start them with a version."""
        delivery, inner = (stack.enter_context(reserved()) for _ in range(2))
        self._recipients, self._inner = recipients, inner
        self._folder = folder
        agent = {"ROLE": "agent", "HUB__ADDRESS": f"localhost:{delivery}"}
        self._settings: Mapping[str, Mapping[str, str]] = {
            HUB: {
                "ROLE": "hub",
                "LISTENERS__DELIVERY__ADDRESS": f"127.0.0.1:{delivery}",
                "LISTENERS__DELIVERY__AGENTS": f"[{KEEPING}.example, {DIRECT}.example]",
                "LISTENERS__HTTP__ADDRESS": "127.0.0.1:0",
            },
            KEEPING: {**agent, "OUTBOX": "{}", "SERVICE": CALLER, "LISTENERS__OUTBOUND__ADDRESS": "127.0.0.1:0"},
            DIRECT: {**agent, "LISTENERS__INBOUND__ADDRESS": f"127.0.0.1:{inner}"},
        }
        self.histories = {name: History[Version]() for name in self._settings}
        self.processes: dict[str, GatewayProcess] = {}
        stack.callback(self._kill)
        for name in self._settings:
            (folder / name).mkdir()
            self.histories[name].before(first)
            self._start(name, first)
        for name in AGENTS:
            self.processes[name].wait_for_output(_HUB_IS_UP)

    def reload(self, version: Version, *names: str, refused: bool = False) -> None:
        """Put a version in force while everything runs, or see it refused."""
        said = b"policy: not reloaded" if refused else b"policy: reloaded"
        for name in names:
            process, history = self.processes[name], self.histories[name]
            history.before(version)
            version.write(self._folder / name, self._recipients, self._inner)
            before = process.output.count(said)
            process.send_signal(signal.SIGHUP)
            _wait_for(process, said, before + 1)
            (history.withdraw if refused else history.after)()

    def restart_hub(self, version: Version, number: signal.Signals) -> None:
        """End the hub by a signal, and start another process with a version where it was."""
        history, agents = self.histories[HUB], [self.processes[name] for name in AGENTS]
        before = [len(re.findall(_HUB_IS_UP, agent.output)) for agent in agents]
        history.before(AWAY)
        process = self.processes[HUB]
        process.send_signal(number)
        assert process.wait() == (0 if number is signal.SIGTERM else -number)
        process.kill()
        history.after()
        history.before(version)
        self._start(HUB, version)
        for agent, count in zip(agents, before, strict=True):
            _wait_for(agent, _HUB_IS_UP, count + 1)
        history.after()

    def _start(self, name: str, version: Version) -> None:
        folder = self._folder / name
        version.write(folder, self._recipients, self._inner)
        tls = write_tls(folder, certificate_for(*map(dns, ("localhost", AUTHORITY, f"{name}.example"))))
        given = {
            "POLICY": str(folder / "policy.yaml"),
            "CONTRACTS": f"[{folder / 'protos'}]",
            "INSECURE_LOOPBACK": "true",
            "RELOAD": "{every: 0, grace: 1h}",
            "TLS": f"{{certificate: {tls.certificate}, key: {tls.key}, ca: {tls.ca}}}",
            **self._settings[name],
        }
        environ = {f"PRIVACY_GATEWAY__{key}": value for key, value in given.items()}
        secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
        self.processes[name] = GatewayProcess(folder, environ={**environ, "WEBHOOK_SECRET": secret})
        assert self.processes[name].address

    def _kill(self) -> None:
        for process in self.processes.values():
            process.kill()


def _wait_for(process: GatewayProcess, pattern: bytes, times: int) -> None:
    """Wait until it has said something so many times."""
    process.wait_for_output(b"(?s)(?:%s.*?){%d}" % (pattern, times))
