from __future__ import annotations

import pytest
import uvloop

from gateway.config import Config, Listeners, Local
from gateway.demo.stage import play
from gateway.loading import load_all
from tests.demo.played import Played


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    state = tmp_path_factory.mktemp("demo")
    file, contract = load_all(Config())
    seen = uvloop.run(
        play(
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
