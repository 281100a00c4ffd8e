"""What unmodified OpenTelemetry SDKs send of a normal service: records it, for the tests beside this.

    python -m tests.reported.record [go] [java] [node] [python] [rust]

builds each service with its language's own tools, in `build/`, runs it as a pod of a cluster would (its host name, its
folder, what an operator sets), and writes what came to `recorded/LANGUAGE/SIGNAL.binpb`: one request a signal, of all
that were sent, without what would tell of the machine (`pod_values.py`). The broker that all speak to is in the Go
service.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.otlp.signals import SIGNALS
from gateway.standins.collector import Collector
from tests.reported.pod_values import MACHINE_ID, POD, unmake
from tests.reported.recordings import RECORDED, REQUESTS

HERE: Final = Path(__file__).parent
SERVICES: Final = HERE / "services"
BUILD: Final = HERE.parents[1] / "build" / "reported"
HOME: Final = "/opt/kannelle"
"""Where a service's folder is, as in an image."""

ETC: Final = {"machine-id": f"{MACHINE_ID}\n", "resolv.conf": "nameserver 127.0.0.1\n"}
"""Files of `/etc` that say what machine it is, and where it asks for names."""

ENVIRON: Final = {
    # As the operator for Kubernetes sets them: https://github.com/open-telemetry/opentelemetry-operator.
    "OTEL_SERVICE_NAME": "video-exporter",
    "OTEL_RESOURCE_ATTRIBUTES": ",".join(
        (
            "k8s.container.name=video-exporter", "k8s.deployment.name=video-exporter", "k8s.namespace.name=video",
            "k8s.node.name=ip-10-0-1-23.eu-west-3.compute.internal", f"k8s.pod.name={POD}",
            "k8s.pod.uid=275ecb36-5aa8-4c2a-9c47-d8bb681b9aff", "k8s.replicaset.name=video-exporter-6897964546",
            f"service.instance.id=video.{POD}.video-exporter", "service.namespace=video", "service.version=1.4.2",
            "deployment.environment.name=production",
        )
    ),
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_TRACES_EXPORTER": "otlp",
    # Measured once, at the end.
    "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
    "NO_PROXY": "localhost,127.0.0.1",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
}  # fmt: skip
SECONDS: Final = 600
ENDINGS: Final = (0, -signal.SIGTERM, 128 + signal.SIGTERM)
"""How a service ends that did as it should: Node's ends itself by SIGTERM, upon which its SDK sends what it has."""

OF_THIS_MACHINE: Final = (str(BUILD.parents[1]), str(Path.home()), os.uname().release, os.uname().version)
"""What mustn't be in a recording."""


class Service(msgspec.Struct, frozen=True):
    """How a language's service is built into a folder, what is run there, and what is set beside `ENVIRON`.

    `{broker}` is Kafka's.
    """

    build: Callable[[Path], None]
    command: Sequence[str]
    environ: Mapping[str, str] = {}


def _run(*command: str | Path, at: Path) -> None:
    subprocess.run(command, check=True, cwd=at, timeout=SECONDS)


def _go(folder: Path) -> None:
    _run("go", "build", "-trimpath", "-o", folder / "video", ".", at=SERVICES / "go")


def _java(folder: Path) -> None:
    at = f"-DoutputDirectory={folder}"
    _run("mvn", "-q", "-B", f"-Dbuild.to={folder}", "package", "dependency:copy-dependencies", at, at=SERVICES / "java")


def _node(folder: Path) -> None:
    for name in ("package.json", "package-lock.json", "service.js"):
        shutil.copy(SERVICES / "node" / name, folder)
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", at=folder)


def _python(folder: Path) -> None:
    shutil.copy(SERVICES / "python" / "service.py", folder)
    wanted = SERVICES / "python" / "requirements.txt"
    _run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--target",
        folder / "packages",
        "--requirement",
        wanted,
        at=folder,
    )


def _rust(folder: Path) -> None:
    _run("cargo", "build", "--locked", "--target-dir", folder / "target", at=SERVICES / "rust")
    shutil.copy(folder / "target" / "debug" / "video", folder)


LANGUAGES: Final[Mapping[str, Service]] = {
    "go": Service(_go, ["./video"]),
    "java": Service(
        _java,
        ["java", "-javaagent:opentelemetry-javaagent-2.33.1.jar", "-cp", "*", "com.kannelle.video.Main", "{broker}"],
        {"OTEL_METRIC_EXPORT_INTERVAL": "3000"},
    ),
    "node": Service(
        _node,
        ["node", "--require", "@opentelemetry/auto-instrumentations-node/register", "service.js", "{broker}"],
        {"OTEL_NODE_RESOURCE_DETECTORS": "env,host,os,process,serviceinstance,container"},
    ),
    "python": Service(
        _python,
        ["python3", "packages/bin/opentelemetry-instrument", "python3", "service.py", "{broker}"],
        {
            "PYTHONPATH": f"{HOME}/packages",
            "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel,process,os,host",
            "OTEL_PYTHON_LOG_CODE_ATTRIBUTES": "true",
            "OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup,database/dup",
        },
    ),
    "rust": Service(_rust, ["./video"]),
}


@contextmanager
def brokers() -> Iterator[str]:
    """Run the broker while the block runs; yield its address."""
    _go(_folder("go"))
    with subprocess.Popen(
        [_folder("go") / "video", "broker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


async def record(language: str, broker: str) -> None:
    """Build a language's service, run it as a pod, and write what came of it."""
    service, folder = LANGUAGES[language], _folder(language)
    service.build(folder)
    async with Collector() as collector:
        told = {**ENVIRON, **service.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        command = [part.format(broker=broker) for part in service.command]
        await asyncio.to_thread(_run_as_pod, folder, command, told)
    for of in SIGNALS:
        _write(language, of.name, [one for one in collector.requests if isinstance(one, REQUESTS[of])])


def _folder(language: str) -> Path:
    """A language's folder among what is built, made if it isn't there."""
    folder = BUILD / language
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run_as_pod(folder: Path, command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run a command in a folder, under a pod's host name and a path as in an image, and nothing of this machine's own.

    All of it is undone when the command ends.
    """
    for name, text in ETC.items():
        (folder / name).write_text(text)
    binds = " && ".join((f'mount --bind "$0" {HOME}', *(f"mount --bind {HOME}/{name} /etc/{name}" for name in ETC)))
    script = f'hostname {POD} && mkdir -p {HOME} && {binds} && cd {HOME} && exec "$@"'
    whole: tuple[str | Path, ...] = ("unshare", "--uts", "--mount", "sh", "-c", script, folder, *command)
    code = subprocess.run(whole, env=dict(environ), check=False, timeout=SECONDS).returncode
    if code not in ENDINGS:
        raise subprocess.CalledProcessError(code, command)


def _write(language: str, name: str, requests: Sequence[Any]) -> None:
    """Write requests of one signal as one, of a usual pod.

    Raises ValueError if they tell of the machine on which they were made.
    """
    data = b"".join(unmake(one).SerializeToString(deterministic=True) for one in requests)
    if told := [word for word in OF_THIS_MACHINE if word.encode() in data]:
        raise ValueError(f"{language}, {name}: {told}")
    if data:
        (RECORDED / language).mkdir(parents=True, exist_ok=True)
        (RECORDED / language / f"{name}.binpb").write_bytes(data)


async def main(languages: Sequence[str]) -> None:
    """Record these languages, or all."""
    with brokers() as broker:
        for language in languages or LANGUAGES:
            await record(language, broker)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
