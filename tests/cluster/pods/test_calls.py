"""A pod that the API server returned runs: its gateway is ready before it, and takes what it says to the hub."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pytest

from tests.cluster.pods.programs import PYTHON
from tests.cluster.pods.site import LOCKED, OPEN, Site
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster

PERSON: Final = "Zeldarine Quixworth"
FILES: Final = ("analytics.jsonl", "application-log.jsonl")
TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
LIST: Final = "import os, sys; print(*(os.listdir(sys.argv[1]) if os.path.exists(sys.argv[1]) else ()))"
MIB: Final = 1 << 20


@pytest.mark.parametrize(("values", "user"), [(OPEN, "usr_open1"), (LOCKED["nft"], "usr_locked1")])
def test_a_call_and_telemetry_reach_the_hub_without_what_may_not_leave(
    values: Mapping[str, Any], user: str, site: Site
) -> None:
    site.apply(values)
    with site.running(site.admit(site.manifest("/app/call.py", user, PERSON))) as pod:
        assert "OUTCOME_RELEASED" in pod.finish()
        for name in FILES:
            wait_until(partial(site.has_written, name, user))
            assert not site.has_written(name, PERSON)


def test_all_end_in_order_the_gateway_after_its_service(site: Site) -> None:
    with site.idling(site.service()) as pod:
        assert list(pod.stop().items()) == [("app", 0), ("privacy-gateway", 0)]


def test_the_gateway_has_the_certificate_and_its_service_the_token(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.idling(site.service()) as pod:
        app, gateway = (pod.running[name] for name in ("app", "privacy-gateway"))
        held = {
            name: {
                path: set(container.execute(PYTHON, "-c", LIST, path).split()) - {"..data", "..2026"}
                for path in (TOKEN, "/run/privacy-gateway/tls")
            }
            for name, container in (("app", app), ("privacy-gateway", gateway))
        }
        with capsys.disabled():
            ready, hub = pod.ages["privacy-gateway"], site.hub.running["privacy-gateway"]
            print(
                f"\nin a pod: ready {ready:.2f} s after the process began, idle {gateway.rss / MIB:.1f} MiB;", end=" "
            )
            print(f"its hub {hub.rss / MIB:.1f} MiB")
    assert held == {
        "app": {TOKEN: {"token", "ca.crt", "namespace"}, "/run/privacy-gateway/tls": set()},
        "privacy-gateway": {TOKEN: set(), "/run/privacy-gateway/tls": {"tls.crt", "tls.key", "ca.crt"}},
    }
