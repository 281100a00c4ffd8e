"""The gateway as users start it: `privacy-gateway serve` with a configuration file, in a folder of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.process import Server, environment, started
from tests.support.ports import reserved

PROGRAM: Final = Path(sys.executable).with_name("privacy-gateway")


@contextmanager
def gateway(
    folder: Path,
    listener: str = "local",
    *,
    policy: str = "",
    config: Mapping[str, Any] | None = None,
    listeners: Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    under: Sequence[str] = (),
) -> Iterator[Server]:
    """`serve` with more configuration, listeners and options than its addresses, called on one of its listeners.

    Without a policy's text it has Kannelle's, as `serve` without a configuration has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with reserved() as port, reserved() as local, reserved() as http:
        ports = {"local": local, "local_http": http, listener: port}
        addresses = {name: {"address": f"127.0.0.1:{number}"} for name, number in ports.items()}
        given: dict[str, Any] = {"listeners": {**addresses, **(listeners or {})}, **(config or {})}
        if policy:
            (folder / "policy.yaml").write_text(policy)
            given["policy"] = "policy.yaml"
        # JSON is YAML too.
        (folder / "gateway.yaml").write_text(json.dumps(given))
        command: Sequence[str | Path] = (PROGRAM, "serve", "--config", "gateway.yaml", *options)
        with started(
            command, addresses[listener]["address"], folder=folder, environ=environment(), under=under
        ) as server:
            yield server
