from __future__ import annotations

import pytest
import uvloop

from gateway.config import Config, Listeners, Local
from gateway.demo.session import run_session
from gateway.loading import load_sources
from tests.demo.played import Played


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    state = tmp_path_factory.mktemp("demo")
    file, contract = load_sources(Config())
    seen = uvloop.run(
        run_session(
            Config(
                listeners=Listeners(local=Local(address="127.0.0.1:0"), local_http=None),
                state=state,
                insecure_loopback=True,
            ),
            file,
            contract,
        )
    )
    return Played(seen, state, file, contract)
