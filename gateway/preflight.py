"""What a gateway needs before it opens or starts anything, checked in one list.

`serve` goes by it, and so does `config check`.

Nothing is written, locked, bound or sent here. What only shows when it is tried, such as a port that is taken, is told
when it happens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from gateway.config import Config
from gateway.delivery.hash_secret import FINGERPRINT_FILE, KEY_FILE, secret_problems
from gateway.delivery.outbox import file as outbox
from gateway.errors import BadConfig, BadSetup
from gateway.exporters.http_client import HttpClient
from gateway.exporters.jsonl.settings import is_exporter_file
from gateway.exporters.pool import ExporterPool
from gateway.files import is_folder, is_there
from gateway.folder import FolderProblem, creation_obstacle, folder_problems, write_obstacle
from gateway.loading import LoadedPolicy
from gateway.yamlfile import Origin, Problem

MIN_FREE_BYTES: Final = 1024 * 1024
"""What a volume must have free for a state folder to begin on it.

Where one is already, a full volume hinders no start: what is stored must be delivered.
"""


class Preflight(msgspec.Struct, frozen=True):
    """What was found: the policy and contracts, compiled, and what `fix` can put right about the state folder."""

    loaded: LoadedPolicy
    folder_problems: tuple[FolderProblem, ...]


def preflight(config: Config, origin: Origin, load: Callable[[], LoadedPolicy], *, exports: bool = True) -> Preflight:
    """Check everything; `load` reads policy and contracts.

    `exports`: whether the policy's exporters will be opened here.

    Raises BadConfig, with a line for each problem.
    """
    found = tuple(folder_problems(config.state, is_state_file)) if config.keeps_state else ()
    broken = [flaw for flaw in found if flaw.fix is None]
    problems = [problem for check in CHECKS for problem in check(config)]
    # What is wrong with the folder itself is told once.
    problems += [problem for problem in secret_problems(config) if not broken or problem[0] != ("state",)]
    lines = [f"{origin.at(*keys)}: {text}" for keys, text in problems]
    lines += [f"{origin.at('state')}: {flaw.path}: {flaw.text}" for flaw in broken]
    try:
        loaded = load()
    except BadSetup as error:
        raise BadConfig("\n".join((*lines, str(error)))) from None
    if exports and config.hub is None:
        opened = ExporterPool(
            config.state, HttpClient(insecure_loopback=config.insecure_loopback), config.insecure_loopback
        )
        lines += opened.problems(loaded.file.policy, loaded.contract, loaded.file.origin)
    if lines:
        raise BadConfig("\n".join(lines))
    return Preflight(loaded, found)


def is_state_file(name: str) -> bool:
    """Whether an entry of the state folder is the gateway's, by its name.

    The secret or its fingerprint, the outbox, or a file that an exporter writes.
    """
    return (
        name in {KEY_FILE, FINGERPRINT_FILE}
        or name.startswith((f".{KEY_FILE}.", outbox.NAME))
        or is_exporter_file(name)
    )


def _free_space_problems(config: Config) -> Iterator[Problem]:
    state = config.state
    hashes = is_there(state / KEY_FILE) or is_there(state / FINGERPRINT_FILE)
    begun = hashes and (config.outbox is None or is_there(state / outbox.NAME))
    above = next((one for one in (state, *state.absolute().parents) if is_folder(one)), None)
    if begun or above is None or not config.keeps_state:
        return
    volume = os.statvfs(above)
    free = volume.f_bavail * volume.f_frsize
    if free < MIN_FREE_BYTES:
        yield ("state",), f"{state}: has {free} bytes free on its volume, and {MIN_FREE_BYTES} are needed to begin"


def _stranded_outbox_problems(config: Config) -> Iterator[Problem]:
    """Yield if an outbox is there that nobody would empty: what it holds was acknowledged."""
    path = config.state / outbox.NAME
    if not config.keeps_state and is_there(path):
        text = (
            "an agent without an outbox would never hand over what it holds: say `outbox: {}`, which hands it over, or "
            "delete the file once `outbox status` says that nothing is stored"
        )
        yield ("outbox",), f"{path}: {text}"


def _tls_problems(config: Config) -> Iterator[Problem]:
    if config.tls is None:
        return
    from gateway import tls  # noqa: PLC0415 without TLS a gateway needn't hold what reads certificates

    try:
        tls.examine(config.tls)
    except tls.BadTls as error:
        yield from ((("tls", key), text) for key, text in error.faults)


def _hub_problems(config: Config) -> Iterator[Problem]:
    if config.hub is not None and not 0 < int(config.hub.address.rpartition(":")[2]) < 65536:
        yield ("hub", "address"), "must have a port from 1 to 65535"


def _socket_problems(config: Config) -> Iterator[Problem]:
    """Yield for each Unix socket that can't be made; whether something listens there already shows at the start."""
    for name in config.listeners.__struct_fields__:
        listener = getattr(config.listeners, name)
        kind, _, path = ("" if listener is None else listener.address).partition(":")
        if kind != "unix":
            continue
        folder = Path(path).parent
        text = write_obstacle(folder) if is_folder(folder) else creation_obstacle(folder) or "is not there"
        if text:
            yield ("listeners", name, "address"), f"{path}: {folder} {text}"


CHECKS: Final[tuple[Callable[[Config], Iterator[Problem]], ...]] = (
    _free_space_problems,
    _stranded_outbox_problems,
    _tls_problems,
    _hub_problems,
    _socket_problems,
)
