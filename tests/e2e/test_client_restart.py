"""A service's client and a gateway that restarts beside it: no call fails, and nothing is recorded twice."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Final

import pytest
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent, TrackEventRequest
from kannelle.privacy.v1.context_pb2 import UserContext
from kannelle_privacy import Gateway, GatewayError, connect

from tests.support.channels import TIMEOUT_SECONDS
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.proxy_process import wait_until

CALLERS: Final = 4
CALLS: Final = 60
"""Of each caller."""

WAITS_SECONDS: Final = 3.0
"""How long the client surely waits for a gateway: the waits of its retry policy are 4.5 seconds, give or take a fifth.

A machine that needs longer to start one has no say in the matter.
"""


def request(user: str) -> TrackEventRequest:
    """A request without a request ID, as a service writes it."""
    return TrackEventRequest(event=AnalyticsEvent(user=UserContext(user_id=user), name="video.exported"))


def users(state: Path) -> list[str]:
    """Whose events were delivered, each as often as it was: a line that is written again has the key that it had."""
    lines = [json.loads(line) for line in (state / "analytics.jsonl").read_text().splitlines()]
    return sorted({line["key"]: line["message"]["user"]["userId"] for line in lines}.values())


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_call_fails_and_none_counts_twice(end: signal.Signals, tmp_path: Path) -> None:
    done, failed = Semaphore(0), list[str]()

    def send(gateway: Gateway, caller: int) -> list[str]:
        sent = []
        for name in (f"usr_{caller}x{number}" for number in range(CALLS)):
            try:
                gateway.analytics.TrackEvent(request(name), timeout=TIMEOUT_SECONDS)
                sent.append(name)
            except GatewayError as error:
                failed.append(str(error))
            done.release()
        return sent

    with reserved() as port, ThreadPoolExecutor(CALLERS) as pool:
        address = f"127.0.0.1:{port}"
        with GatewayProcess(tmp_path, address=address) as first, connect(first.address) as gateway:
            calling = [pool.submit(send, gateway, caller) for caller in range(CALLERS)]
            for _ in range(CALLERS * CALLS // 3):
                assert done.acquire(timeout=TIMEOUT_SECONDS)
            begun = time.monotonic()
            first.send_signal(end)
            first.wait()
            with GatewayProcess(tmp_path, address=address) as second:
                second.listener_address("local")
                away = time.monotonic() - begun
                expected = {name for one in calling for name in one.result()}
                wait_until(lambda: expected <= set(users(second.state)))
                recorded = users(second.state)
    assert len(recorded) == len(set(recorded))
    assert not failed or away > WAITS_SECONDS
