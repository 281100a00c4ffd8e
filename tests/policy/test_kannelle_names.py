"""Names that machines give, where the default policy exempts them.

All of them stay, and nobody's address or number does.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import pytest

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.model import Detector
from gateway.patterns import compile_pattern, max_chars
from gateway.policy.compile import Compiler
from gateway.policy.document import Classification
from gateway.policy.load import default_path, load
from gateway.policy.otlp.versions import VERSION
from gateway.policy.review.findings import Finding
from gateway.policy.review.lint import lint
from tests.support.decisions import kept_under
from tests.support.samples.harmless import values

FILE: Final = load(default_path())
EXEMPT: Final = {
    key: held for key, held in FILE.policy.otlp.attributes.items() if isinstance(held, Classification) and held.without
}

VERSIONS: Final = (
    "service.version", "telemetry.sdk.version", "telemetry.distro.version", "os.version", "process.runtime.version",
    "webengine.version", "container.runtime.version", "container.image.tags", "otel.scope.version",
    "otel.library.version",
)  # fmt: skip
MADE: Final = [
    *(("pod", key) for key in ("k8s.pod.name", "service.instance.id")),
    *(("pod as host", key) for key in ("host.name", "k8s.pod.hostname", "k8s.pod.name")),
    ("node", "k8s.node.name"),
    ("image", "container.image.name"),
    *(("version of a service", key) for key in VERSIONS),
    ("offset", "messaging.kafka.offset"),
    ("size of a body", "http.request.body.size"),
    ("size of a body", "http.response_content_length"),
    ("size of a message", "messaging.message.body.size"),
]
COUNTS: Final = [500, pytest.param(20_000, marks=pytest.mark.soak)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("kind", "key"), MADE)
def test_what_a_machine_makes_stays(kind: str, key: str, count: int) -> None:
    made = list(values(kind, count))
    stripped = [value for value, kept in zip(made, kept_under(key, made), strict=True) if not kept]
    assert stripped == []


SHA256: Final = "0123456789abcdef" * 4
ECR: Final = "310509089954.dkr.ecr.eu-west-3.amazonaws.com/kannelle/video-exporter"


@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        (
            VERSIONS,
            (
                "17.0.9+9 17.0.15+6-Debian-1deb12u1 17.0.9+9-Ubuntu-122.04 21.0.2+13-LTS 1.8.0_392-b08 1.4.0+5c1f2e9 "
                "2.1.14.0 24.11.29.1"
                " v0.0.0-20191109021931-daa7c04131f5 v1.2.4-0.20191109021931-daa7c04131f5 5.15.0-91-generic "
                "6.5.0-1014-aws 10.0.22631"
                " 5.10.209-198.812.amzn2.x86_64 8.0.36-0ubuntu0.22.04.1 6.1.0-18-cloud-amd64 1.2.3-rc.1 go1.22.3 "
                "v20.11.1 20261129.1"
                " 9.0.0-rc.2.23502.2 8.0.100-rtm.23506.1 17.0.9+9-LTS 8u392-b08 1:2.36-9+deb12u4 2:8.2.4919-1ubuntu1 "
                "20230311+deb12u1"
                " 6.1.0-13-amd64 5.14.0-362.8.1.el9_3.x86_64 4.18.0-553.22.1.el8_10.x86_64 3.19.1-r0 "
                "v1.30.5-gke.1443001 v1.30.5+k3s1"
                " build-98765 0.0.1-alpha.10+001 3.14.0.dev20261129 1.2.3-20261129.4 20261129.4"
                " 10.30.15+8722833 202611291530 1.2.3+g1234567"
                " 10.0.22631.4460 1.5.0-20241129.153045-3 release-2024-11-29.1"
                " 2026-11-29 5c1f2e9 main-5c1f2e9 build-4231 0.46b0 1.27.0.dev0 v1.30.4-eks-a737599 "
                "1.30.5-gke.1014001 120.0.6099.129"
            ),
        ),
        (
            ("k8s.pod.name",),
            (
                "editor-6897964546-96chb editor-877694447-bxhdh video-exporter-0 kafka-12 nightly-29412345-x2b4z "
                "otel-agent-9hj2k migrate"
                " kube-proxy-ip-10-0-1-23.eu-west-3.compute.internal h264-worker-v2-7c4d9b8f96-xk2vp "
                "coredns-5d78c9869d-zzz22"
            ),
        ),
        (
            ("host.name", "k8s.pod.hostname"),
            "editor-6897964546-96chb kafka-12 otel-agent-9hj2k ip-10-0-1-23.eu-west-3.compute.internal",
        ),
        (
            ("k8s.node.name",),
            (
                "ip-10-0-1-23.eu-west-3.compute.internal ip-172-31-2-3.ec2.internal ip-192-168-1-1"
                " i-0123456789abcdef0.eu-west-3.compute.internal gke-prod-pool-1-06123456-x2b4 "
                "aks-nodepool1-12345678-vmss000001"
                " worker-3 node3.par.kannelle.internal"
                " scw-prod-default-1a2b3c4d5e6f scw-k8s-prod-default-0123456789abcdef0123456789abcdef"
            ),
        ),
        (
            ("container.image.name",),
            (
                f"{ECR} {ECR}:1.4.0 {ECR}@sha256:{SHA256} ghcr.io/kannelle/video-exporter:sha-5c1f2e9 "
                "eu.gcr.io/kannelle/api python"
                " postgres:16.3 europe-west9-docker.pkg.dev/kannelle-prod/images/api "
                "docker.io/library/python:3.11-slim localhost:5000/api"
            ),
        ),
        (("container.image.id",), f"sha256:{SHA256} {ECR}@sha256:{SHA256}"),
        (("container.image.repo_digests",), f"{ECR}@sha256:{SHA256}"),
        (("container.id",), f"{SHA256} 1f0c9e8d7b6a a33612345678 061234567a12"),
        (("k8s.job.name",), "backup-28933620 video-v2-28732055 migrate"),
        (
            ("host.name", "service.instance.id"),
            (
                "1f0c9e8d7b6a 06123456781a i-0123456789abcdef0 i-0123456789abcdef0.eu-west-3.compute.internal"
                " gke-prod-pool-1-06123456-x2b4 aks-nodepool1-12345678-vmss000001 video-v2-28732055-6nrvc"
            ),
        ),
        (("error.type",), "_OTHER 404 TimeoutError java.net.UnknownHostException pkg/errors.Fault"),
        (("http.route", "url.template"), "/ /v1/videos/{id}:publish /static/* /v1/videos/{id}/ /v1/<int:id>"),
        (("db.namespace",), "kannelle-prod kannelle_prod 0"),
        (("k8s.replicaset.name",), "editor-6897964546 video-exporter-7c4d9b8f96"),
        (
            ("service.instance.id",),
            (
                "ip-10-0-12-34 627cc493-f310-47de-96bd-71410b7dec09 prod.editor-6897964546-96chb.editor "
                "editor-6897964546-96chb"
            ),
        ),
    ],
)
def test_what_is_known_of_machines_stays(keys: tuple[str, ...], texts: str) -> None:
    made = texts.split()
    assert {
        (key, value) for key in keys for value, kept in zip(made, kept_under(key, made), strict=True) if not kept
    } == set()


BARE: Final = (
    *"anna@acme.example anna.martin@acme.example 0612345678 +33612345678 33612345678 0033612345678 353851234567 "
     "15551234567".split(),
    *"06-12-34-56-78 06.12.34.56.78 06_12_34_56_78 06/12/34/56/78 612-345-678 33-6-12-34-56-78 33.6.12.34.56.78 "
     "+33-6-12-34-56-78".split(),
    *"612-555-2368 212.555.2368 1-212-555-2368 1.212.555.2368 1/212/555/2368 tel0612345678 tel-0612345678 "
     "tel-06-12-34-56-78".split(),
    *"203.0.113.77 203-0-113-77 host-203-0-113-77 ip-203-0-113-77 ip-203-0-113-77.ec2.internal "
     "ip-8-8-8-8.ec2.internal".split(),
    *"ip-172-15-0-1 ip-172-32-0-1 ip-192-169-0-1 ip-100-0-0-1 4111111111111111 FR7630006000011234567890189".split(),
    *"anna-0612345678 anna-06-12-34-56-78 anna-0612345678-96chb user-353851234567-0 api:0612345678 "
     "api:06-12-34-56-78".split(),
    *"49_1517_9428481 49-1517-9428481 2012180393 2012120393 33_6_12_34_56_78".split(),
    *"0612345678.dkr.ecr.eu-west-3.amazonaws.com/x registry.example/0612345678 "
     "registry.example/anna@acme.example".split(),
    "Anna Martin",
    "call me at home",
    "06 12 34 56 78",
    "+33 6 12 34 56 78",
    "1 212 555 2368",
    "1.4.0 for Anna",
    "api anna@acme.example",
    "v1.4.0, call 0612345678",
)  # fmt: skip


@pytest.mark.parametrize("key", EXEMPT)
def test_nobody_s_address_or_number_and_no_sentence_passes(key: str) -> None:
    pattern = compile_pattern(EXEMPT[key].pattern)
    assert [text for text in BARE if pattern.fullmatch(text)] == []
    assert not any(kept_under(key, BARE))


@pytest.mark.parametrize(
    "name", ["alice", "alice-macbook", "alicexbrtk", "MBP-de-Alice", "alice-martin", "alice.local"]
)
def test_a_computer_named_for_somebody_is_no_pod(name: str) -> None:
    assert not any(kept_under("host.name", [name]))
    assert not any(kept_under("k8s.pod.hostname", [name]))


@cache
def findings() -> tuple[Finding, ...]:
    return lint(Compiler(load_contracts([default_contract()]), FILE))


@pytest.mark.parametrize("key", EXEMPT)
def test_every_exemption_is_bounded_and_does_something(key: str) -> None:
    held = EXEMPT[key]
    assert set(held.without) <= {Detector.PHONE, Detector.IP}
    assert min(max_chars(held.pattern), held.max_length or 400) <= 400
    assert not [one for one in findings() if one.code.startswith("exemption")]


@pytest.mark.parametrize("key", VERSIONS)
def test_versions_are_one_shape(key: str) -> None:
    held = FILE.policy.otlp.privacy(key)
    assert (held.pattern, held.without) == (VERSION.pattern, VERSION.without)
