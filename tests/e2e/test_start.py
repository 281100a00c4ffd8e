"""What keeps a gateway from starting: a line for each fault, with place, key, path and reason.

`config check` says the same before.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trustme

from tests.e2e.command_processes import NOBODY_UID, UNREADABLE_EXIT_CODE, Command, CommandResult, run_all
from tests.e2e.special_files import replace_with_loop, replace_with_pipe
from tests.support.contracts import POLICY

HEAD: Final = (
    "policy: policy.yaml\ncontracts: [c.binpb]\nlisteners: {local: {address: '127.0.0.1:0'}, local_http: null}\n"
)
TLS: Final = "tls: {certificate: crt, key: key, ca: ca}\n"
TLS_FILES: Final = (("certificate", "crt"), ("key", "key"), ("ca", "ca"))
LONG: Final = "a" * 300
ROOT: Final = os.geteuid() == 0

AUTHORITY: Final = trustme.CA()
ISSUED: Final = AUTHORITY.issue_cert("gateway.example")
OTHER: Final = AUTHORITY.issue_cert("gateway.example")


class Row(msgspec.Struct, frozen=True):
    """A fault: what is made in the folder, the configuration, the exporter, and what is said of it.

    `nobody`: only of an ordinary user.
    """

    make: Callable[[Path], object]
    words: tuple[str, ...]
    config: str = ""
    exporter: str = "{kind: jsonl}"
    environ: Mapping[str, str] = {}
    nobody: bool = False
    checked: bool = True


def nothing(folder: Path) -> None:
    """Leave all as it is."""


def tls(folder: Path, **files: bytes | None) -> None:
    given = {
        "crt": ISSUED.cert_chain_pems[0].bytes(),
        "key": ISSUED.private_key_pem.bytes(),
        "ca": AUTHORITY.cert_pem.bytes(),
        **files,
    }
    for name, content in given.items():
        if content is not None:
            (folder / name).write_bytes(content)


def _key_is_a_folder(folder: Path) -> None:
    tls(folder, key=None)
    (folder / "key").mkdir()


def _key_is_shut(folder: Path) -> None:
    tls(folder)
    (folder / "key").chmod(0)


def state(folder: Path, mode: int = 0o700) -> Path:
    (folder / "state").mkdir()
    (folder / "state").chmod(mode)
    return folder / "state"


def each(folder: Path, make: Callable[[Path], None]) -> None:
    for _, name in TLS_FILES:
        make(folder / name)


def again(folder: Path, old: str, new: str) -> None:
    """Have the configuration name another file."""
    path = folder / "gateway.yaml"
    path.write_text(path.read_text().replace(old, new))


def approvals(folder: Path, name: str, make: Callable[[Path], None] = nothing) -> None:
    """Have the policy name a file of approvals."""
    path = folder / "policy.yaml"
    path.write_text(f"{path.read_text()}approvals: {name}\n")
    make(folder / name)


def linked(folder: Path, name: str) -> None:
    (folder / "elsewhere").write_bytes(bytes(32))
    (state(folder) / name).symlink_to(folder / "elsewhere")


def hard_linked(folder: Path, name: str) -> None:
    (state(folder) / name).write_bytes(bytes(32))
    (folder / "second").hardlink_to(folder / "state" / name)


def of_another(folder: Path, name: str = "") -> None:
    path = state(folder) / name
    if name:
        path.write_bytes(bytes(32))
    os.chown(path, 12345, 12345)


SEGMENT: Final = (
    "{kind: segment, endpoint: 'https://api.segment.io', write_key: {%s}, items: {kannelle.crm.v1.Contact: {event: "
    "contact}}}"
)

OTLP: Final = "{kind: otlp, endpoint: 'https://c.example:4317', ca: %s}"

FAULTS: Final[Mapping[str, Row]] = {
    "state is a file": Row(
        lambda at: (at / "state").write_text(""),
        ("gateway.yaml:4: state: state: is a file; it must be a folder",),
        "state: state\n",
    ),
    "state is below a file": Row(
        lambda at: (at / "f").write_text(""),
        ("gateway.yaml:4: state: f/state: can't be looked at: Not a directory",),
        "state: f/state\n",
    ),
    "state is a dangling link": Row(
        lambda at: (at / "state").symlink_to("gone"),
        ("state: state: is a symbolic link that leads nowhere",),
        "state: state\n",
    ),
    "state is below a dangling link": Row(
        lambda at: (at / "l").symlink_to("gone"),
        ("state: l/state: can't be made: ", "is no folder"),
        "state: l/state\n",
    ),
    "state is a link to itself": Row(
        lambda at: (at / "state").symlink_to("state"),
        ("state: state: can't be looked at: Too many levels",),
        "state: state\n",
    ),
    "state is a named pipe": Row(
        lambda at: os.mkfifo(at / "state"), ("state: state: is a named pipe; it must be a folder",), "state: state\n"
    ),
    "state is on a read-only volume": Row(
        nothing,
        ("gateway.yaml:4: state: /proc/state: can't be made: /proc can't be written",),
        "state: /proc/state\n",
        nobody=True,
    ),
    "state can't be written to": Row(
        lambda at: state(at, 0o500),
        ("gateway.yaml:4: state: state: can't be written to by user",),
        "state: state\n",
        nobody=True,
    ),
    "state can't be made": Row(
        lambda at: at.chmod(0o555),
        ("gateway.yaml:4: state: state: can't be made: ", "can't be written to by user"),
        "state: state\n",
        nobody=True,
    ),
    "the embedded state is a file": Row(
        lambda at: (at / ".privacy-gateway").write_text(""), (": state: .privacy-gateway: is a file",)
    ),
    "the secret is a link": Row(
        lambda at: linked(at, "keys"), ("state: state/keys: is a symbolic link",), "state: state\n"
    ),
    "the outbox is a link": Row(
        lambda at: linked(at, "outbox.db"), ("state: state/outbox.db: is a symbolic link",), "state: state\n"
    ),
    "the outbox's log is a link": Row(
        lambda at: linked(at, "outbox.db-wal"), ("state/outbox.db-wal: is a symbolic link",), "state: state\n"
    ),
    "the outbox's lock is a link": Row(
        lambda at: linked(at, "outbox.db.lock"), ("state/outbox.db.lock: is a symbolic link",), "state: state\n"
    ),
    "an exporter's file is a link": Row(
        lambda at: linked(at, "eu-log.jsonl"), ("state/eu-log.jsonl: is a symbolic link",), "state: state\n"
    ),
    "the secret has a second name": Row(
        lambda at: hard_linked(at, "keys"), ("state/keys: has a second name, a hard link",), "state: state\n"
    ),
    "the outbox has a second name": Row(
        lambda at: hard_linked(at, "outbox.db"), ("state/outbox.db: has a second name",), "state: state\n"
    ),
    "the secret is a named pipe": Row(
        lambda at: os.mkfifo(state(at) / "keys"),
        ("state/keys: is a named pipe; it must be a regular file",),
        "state: state\n",
    ),
    "the outbox is a folder": Row(
        lambda at: (state(at) / "outbox.db").mkdir(),
        ("state/outbox.db: is a folder; it must be a regular file",),
        "state: state\n",
    ),
    "an exporter's file is a named pipe": Row(
        lambda at: os.mkfifo(state(at) / "eu-log.jsonl"), ("state/eu-log.jsonl: is a named pipe",), "state: state\n"
    ),
    "no certificate": Row(
        lambda at: tls(at, crt=None),
        ("gateway.yaml:4: tls.certificate: crt: can't be read: No such file or directory",),
        TLS,
    ),
    "all of TLS is missing": Row(
        nothing, ("tls.certificate: crt: can't", "tls.key: key: can't", "tls.ca: ca: can't"), TLS
    ),
    "a key of another certificate": Row(
        lambda at: tls(at, key=OTHER.private_key_pem.bytes()),
        ("gateway.yaml:4: tls.key: key: doesn't fit the certificate",),
        TLS,
    ),
    "a certificate that is none": Row(
        lambda at: tls(at, crt=b"planted"), ("tls.certificate: crt: must be one or more certificates in PEM",), TLS
    ),
    "a CA that is empty": Row(
        lambda at: tls(at, ca=b""), ("tls.ca: ca: must be one or more certificates in PEM",), TLS
    ),
    "a key that is a folder": Row(_key_is_a_folder, ("tls.key: key: is a folder; it must be a regular file",), TLS),
    "a key that can't be read": Row(
        _key_is_shut, ("tls.key: key: can't be read: Permission denied",), TLS, nobody=True
    ),
    "all of TLS is named pipes": Row(
        lambda at: each(at, os.mkfifo),
        tuple(f"tls.{key}: {name}: is a named pipe; it must be a regular file" for key, name in TLS_FILES),
        TLS,
    ),
    "all of TLS is devices": Row(
        lambda at: each(at, lambda path: path.symlink_to("/dev/zero")),
        tuple(f"tls.{key}: {name}: is a device; it must be a regular file" for key, name in TLS_FILES),
        TLS,
    ),
    "TLS has a NUL": Row(
        nothing,
        tuple(f"gateway.yaml:{line}: tls.{key}: must not hold a NUL" for line, (key, _) in enumerate(TLS_FILES, 5)),
        'tls:\n  certificate: "a\\0b"\n  key: "a\\0b"\n  ca: "a\\0b"\n',
    ),
    "state has a NUL": Row(nothing, ("gateway.yaml:4: state: must not hold a NUL",), 'state: "a\\0b"\n'),
    "state has a long name": Row(
        nothing, (f"gateway.yaml:4: state: {LONG}: can't be looked at: File name too long",), f"state: {LONG}\n"
    ),
    "state is below a long name": Row(
        nothing, (f"gateway.yaml:4: state: {LONG}/b: can't be looked at: File name too long",), f"state: {LONG}/b\n"
    ),
    "state has a long name below what isn't there": Row(
        nothing, (f"gateway.yaml:4: state: a/{LONG}: can't be made: ", " takes no name that long"), f"state: a/{LONG}\n"
    ),
    "state has a long path": Row(nothing, (": can't be looked at: File name too long",), f"state: {'a/' * 3000}\n"),
    "contracts have a long name": Row(lambda at: again(at, "c.binpb", LONG), (f"{LONG}: File name too long",)),
    "contracts have a NUL": Row(
        lambda at: again(at, "c.binpb", '"a\\0b"'), ("gateway.yaml:2: contracts[0]: must not hold a NUL",)
    ),
    "contracts are a named pipe": Row(
        lambda at: replace_with_pipe(at / "c.binpb"), ("c.binpb: is a named pipe; it must be a regular file",)
    ),
    "contracts are a link to itself": Row(
        lambda at: replace_with_loop(at / "c.binpb"), ("c.binpb: Too many levels of symbolic links",)
    ),
    "the policy has a long name": Row(
        lambda at: again(at, "policy.yaml", LONG), (f"{LONG}: can't be read: File name too long",)
    ),
    "the policy has a NUL": Row(
        lambda at: again(at, "policy.yaml", '"a\\0b"'), ("gateway.yaml:1: policy: must not hold a NUL",)
    ),
    "the policy is a named pipe": Row(
        lambda at: replace_with_pipe(at / "policy.yaml"), ("policy.yaml: is a named pipe; it must be a regular file",)
    ),
    "the policy is a link to itself": Row(
        lambda at: replace_with_loop(at / "policy.yaml"), ("policy.yaml: can't be read: Too many levels",)
    ),
    "the environment empties the policy": Row(
        nothing,
        ("PRIVACY_GATEWAY__POLICY: policy: must not be empty; leave it out, or write null, for none",),
        environ={"PRIVACY_GATEWAY__POLICY": ""},
    ),
    "approvals are a named pipe": Row(
        lambda at: approvals(at, "lock", os.mkfifo), ("lock: is a named pipe; it must be a regular file",)
    ),
    "approvals have a long name": Row(lambda at: approvals(at, LONG), (f"{LONG}: can't be read: File name too long",)),
    "approvals have a NUL": Row(lambda at: approvals(at, '"a\\0b"'), ("b: must not hold a NUL",)),
    "a credential is a named pipe": Row(
        lambda at: os.mkfifo(at / "secret"),
        (".write_key: secret: is a named pipe; it must be a regular file",),
        exporter=SEGMENT % "file: secret",
    ),
    "a credential is a device": Row(
        nothing,
        (".write_key: /dev/zero: is a device; it must be a regular file",),
        exporter=SEGMENT % "file: /dev/zero",
    ),
    "a credential has a long name": Row(
        nothing, (f".write_key: {LONG}: can't be read: File name too long",), exporter=SEGMENT % f"file: {LONG}"
    ),
    "a credential has a NUL": Row(nothing, ("b: must not hold a NUL",), exporter=SEGMENT % 'file: "a\\0b"'),
    "an exporter's certificates are a named pipe": Row(
        lambda at: os.mkfifo(at / "roots"),
        (".exporter.ca: roots: is a named pipe; it must be a regular file",),
        exporter=OTLP % "roots",
    ),
    "an exporter's certificates are a device": Row(
        nothing, (".exporter.ca: /dev/zero: is a device; it must be a regular file",), exporter=OTLP % "/dev/zero"
    ),
    "an exporter's certificates have a long name": Row(
        nothing, (f".exporter.ca: {LONG}: can't be read: File name too long",), exporter=OTLP % LONG
    ),
    "an exporter's certificates have a NUL": Row(nothing, ("b: must not hold a NUL",), exporter=OTLP % '"a\\0b"'),
    "an exporter's certificates are none": Row(
        lambda at: (at / "roots").write_text("planted"),
        (".exporter.ca: roots: holds no certificates in PEM form",),
        exporter=OTLP % "roots",
    ),
    "a vendor's certificates are empty": Row(
        lambda at: ((at / "roots").write_text(""), (at / "secret").write_text("planted")),
        (".exporter.ca: roots: holds no certificates in PEM form",),
        exporter=(SEGMENT % "file: secret").replace("items", "ca: roots, items"),
    ),
    "no credential in the environment": Row(
        nothing,
        ("policy.yaml:", ": destinations.us-vendor.exporter.write_key: the environment has no WRITE_KEY"),
        exporter=SEGMENT % "env: WRITE_KEY",
    ),
    "an empty credential in the environment": Row(
        nothing,
        ("destinations.us-vendor.exporter.write_key: must be 1 to 4096",),
        exporter=SEGMENT % "env: WRITE_KEY",
        environ={"WRITE_KEY": ""},
    ),
    "no file of a credential": Row(
        nothing, (".write_key: /nowhere/key: can't be read: No such file",), exporter=SEGMENT % "file: /nowhere/key"
    ),
    "an exporter's folder below a file": Row(
        nothing,
        ("policy.yaml:", ".exporter.path: /dev/null/a.jsonl: "),
        exporter="{kind: jsonl, path: /dev/null/a.jsonl}",
    ),
    "an exporter's folder can't be written to": Row(
        nothing, (".exporter.path: /proc/a.jsonl: /proc ",), exporter="{kind: jsonl, path: /proc/a.jsonl}", nobody=True
    ),
    "an exporter's certificates are missing": Row(
        nothing,
        (".exporter.ca: /nowhere/ca: can't be read: No such file",),
        exporter="{kind: otlp, endpoint: 'https://c.example:4317', ca: /nowhere/ca}",
    ),
    "an exporter in plaintext": Row(
        nothing, (".exporter.endpoint: ",), exporter="{kind: otlp, endpoint: 'http://127.0.0.1:4317'}"
    ),
    "a socket's folder is missing": Row(
        nothing, ("gateway.yaml:4: listeners.health.address: /nowhere/socket: /nowhere ",), "", environ={}
    ),
    "approvals are missing": Row(
        lambda at: (at / "policy.yaml").write_text((at / "policy.yaml").read_text() + "approvals: gone.lock\n"),
        ("gone.lock",),
    ),
    "a contract is missing": Row(lambda at: (at / "c.binpb").unlink(), ("c.binpb: No such file",)),
    "several at once": Row(
        lambda at: (at / "state").write_text(""),
        (
            "state: state: is a file",
            "tls.certificate: crt: can't",
            "tls.key: key: can't",
            "write_key: the environment has no WRITE_KEY",
        ),
        f"state: state\n{TLS}",
        exporter=SEGMENT % "env: WRITE_KEY",
    ),
    "a port that is taken": Row(nothing, ("listeners.http.address: can't listen on",), "HTTP", checked=False),
}
"""By what is wrong. `checked` is false for what shows only when it is done."""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that any user can enter."""
    path = Path(tempfile.mkdtemp(dir="/tmp"))
    path.chmod(0o755)
    yield path
    subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(path)


def _written(row: Row, folder: Path, port: int, user: int | None) -> None:
    from gateway.contracts.load import default_path  # noqa: PLC0415

    folder.mkdir()
    shutil.copyfile(default_path(), folder / "c.binpb")
    to = "us-vendor" if "segment" in row.exporter else "eu-log"
    policy = re.sub(rf"(  {to}: .*)exporter: .*\n", lambda match: f"{match[1]}exporter: {row.exporter}}}\n", POLICY)
    policy = policy.replace('identifiers: ["ws_', 'identifiers: ["co_[a-z0-9]{1,32}", "ws_')
    flow = "otlp/logs" if "otlp" in row.exporter else "kannelle.crm.v1.Contact"
    more = "hosts: {US: [api.segment.io], FR: [c.example]}\n"
    (folder / "policy.yaml").write_text(f"{policy}flows: {{{flow}: [{to}]}}\n{more}")
    config = HEAD + row.config
    if row.config == "HTTP":
        config = HEAD.replace("local_http: null", f"local_http: null, http: {{address: '127.0.0.1:{port}'}}")
    if row.words[0].startswith("gateway.yaml:4: listeners.health"):
        config = HEAD.replace("local_http: null}", "local_http: null,\n  health: {address: 'unix:/nowhere/socket'}}")
    (folder / "gateway.yaml").write_text(config)
    row.make(folder)
    if user is not None:
        for path in (folder, *folder.rglob("*")):
            os.lchown(path, user, user)


@pytest.fixture(scope="module")
def outcomes(place: Path) -> Mapping[tuple[str, str, str], CommandResult]:
    """How every command ended in every case, by the fault, who ran it, and the command."""
    jobs: dict[tuple[str, str, str], Command] = {}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        users = {"root": None, "nobody": NOBODY_UID} if ROOT else {"self": None}
        for name, row in FAULTS.items():
            for who, user in users.items():
                if row.nobody and who == "root":
                    continue
                folder = place / f"{len(jobs)}"
                _written(row, folder, taken.getsockname()[1], user)
                for command in ("config check", "serve"):
                    jobs[name, who, command] = Command(
                        (*command.split(), "--config", "gateway.yaml"), folder, user, row.environ
                    )
        (place / "logs").mkdir()
        return dict(zip(jobs, run_all([*jobs.values()], place / "logs"), strict=True))


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_told_by_serve_and_before_by_config_check(
    name: str, outcomes: Mapping[tuple[str, str, str], CommandResult]
) -> None:
    row = FAULTS[name]
    for who in ("root", "nobody", "self"):
        serve, check = outcomes.get((name, who, "serve")), outcomes.get((name, who, "config check"))
        if serve is None or check is None or serve.code == UNREADABLE_EXIT_CODE:
            continue
        said = [line for line in serve.err.splitlines() if not re.match(r"\S+Z (INFO|WARNING) ", line)]
        assert (serve.code, serve.out) == (2, ""), (who, serve)
        for words in row.words:
            assert any(words in line for line in said), (who, words, said)
        assert "Internal error" not in serve.err
        assert "planted" not in serve.err
        if row.checked:
            assert (check.code, check.out, check.err.splitlines()) == (2, "", said), who


def test_faults_come_as_json_too(place: Path) -> None:
    _written(FAULTS["several at once"], place / "json", 0, None)
    (done,) = run_all(
        [Command(("config", "check", "--config", "gateway.yaml", "--format", "json"), place / "json")], place
    )
    assert (done.code, done.err, len(json.loads(done.out)["faults"])) == (2, "", 5)
