"""Loads and compiles all that a gateway puts in force, at its start and at each reload.

Nothing here listens or sends.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from gateway.config import Config
from gateway.contracts.contract import Contract
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.errors import BadConfig, BadPolicy
from gateway.otlp.signals import TRACES
from gateway.pipeline.flows import Flows
from gateway.policy.compile import Compiler
from gateway.policy.document import TrafficDirection
from gateway.policy.load import PolicyFile
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.policy.review.findings import key_path
from gateway.policy.wording import shortlist
from gateway.receivers.proxy.compiled_routes import CompiledRoutes
from gateway.yamlfile import Node, compose, load_text

log = logging.getLogger(__name__)

ABSENT_TYPES_WARNING: Final = "no contract has what these name, so their items are refused; `lint` says what to do: %s"
ELSEWHERE_NOTE: Final = "these are about other contracts, as `elsewhere` says: %s"


PolicySource = Callable[[Config], tuple[PolicyFile, Contract]]
"""Where policy and contracts come from."""


class LoadedPolicy(msgspec.Struct, frozen=True):
    """A policy and its contracts, and what they come to.

    `plans_digest`: SHA-256 over all plans, equal in every gateway that decides alike. `contracts_digest`: SHA-256 over
    all descriptors, without comments. `files`: those that all of it was read from.
    """

    file: PolicyFile
    contract: Contract
    flows: Flows
    compiled_routes: CompiledRoutes
    plans_digest: str
    contracts_digest: str
    files: frozenset[Path] = frozenset()


def load_sources(config: Config) -> tuple[PolicyFile, Contract]:
    """The policy and the contracts that a configuration names, or Kannelle's own. Raises BadSetup."""
    return load_policy(config.policy or default_policy()), load_contracts(config.contracts or (default_contract(),))


def compile_all(config: Config, file: PolicyFile, contract: Contract) -> LoadedPolicy:
    """Compile all flows and routes. Takes a while: it may be done in a thread. Raises BadSetup."""
    compiler = Compiler(contract, file)
    if config.role == "hub":
        _check_complete(compiler, file)
    _log_absent(compiler)
    flows = Flows(compiler)
    compiled_routes = CompiledRoutes(flows)
    _check_certificates(config, compiled_routes)
    if config.telemetry.traces.ratio > 0 and flows.find(TRACES.flow) is None:
        raise BadConfig(
            f"telemetry.traces.ratio: needs the flow {TRACES.flow} in the policy, by which the gateway's own traces go"
        )
    return LoadedPolicy(
        replace(file, policy=compiler.policy),
        contract,
        flows,
        compiled_routes,
        _plans_digest(flows, compiled_routes),
        _contract_digest(contract),
    )


def proxied_directions(config: Config) -> frozenset[TrafficDirection]:
    """Whose calls the gateway takes, by its listeners: routes of the others carry nothing here."""
    return frozenset(direction for direction in TrafficDirection if getattr(config.listeners, direction) is not None)


def _check_certificates(config: Config, compiled_routes: CompiledRoutes) -> None:
    """Raise BadConfig where the gateway would call another one and has no certificate."""
    directions = proxied_directions(config)
    remote = [route for route in compiled_routes.table.routes if route.listener in directions and not route.local]
    if config.tls is None and remote:
        raise BadConfig(
            f"tls: is required, for listeners.{remote[0].listener} is on, and the policy's route to "
            f"{remote[0].authority} isn't plaintext: no call between services leaves this machine in the clear"
        )


def _check_complete(compiler: Compiler, file: PolicyFile) -> None:
    """A hub decides on the items of all flows. Raises BadPolicy where the contract lacks the type of one."""
    for one in compiler.absent:
        if one.keys[0] == "flows":
            raise file.origin.error_at(
                one.keys, "no contract has a message type of this name, and a hub decides on the items of all flows"
            )


def _log_absent(compiler: Compiler) -> None:
    """Say which flows, classifications and routes are about other contracts than this one."""
    for listed, level, text in ((False, logging.WARNING, ABSENT_TYPES_WARNING), (True, logging.INFO, ELSEWHERE_NOTE)):
        names = [key_path(one.keys) for one in compiler.absent if one.listed is listed]
        if names:
            log.log(level, text, shortlist(names))


def _plans_digest(flows: Flows, compiled_routes: CompiledRoutes) -> str:
    routes = {
        policy.digest
        for compiled in compiled_routes.routes
        for policy in (compiled.request_policy, compiled.response_policy)
    }
    return hashlib.sha256("".join(sorted(flows.digests | routes)).encode()).hexdigest()


def _contract_digest(contract: Contract) -> str:
    digest = hashlib.sha256()
    for _, file in sorted(contract.files.items()):
        bare = FileDescriptorProto()
        bare.CopyFrom(file)
        bare.ClearField("source_code_info")
        digest.update(bare.SerializeToString(deterministic=True))
    return digest.hexdigest()


class PolicyLoader:
    """Loads and compiles what the files of a configuration say now."""

    def __init__(self, config: Config, source: PolicySource) -> None:
        self.files = PolicyFiles(config)
        self._config = config
        self._source = source

    def load(self) -> LoadedPolicy:
        """A policy and its contracts, compiled, with the files that they were read from. Raises BadSetup."""
        before = self.files.policy_stamp()
        loaded = compile_all(self._config, *self._source(self._config))
        self.files.note_valid(before)
        return msgspec.structs.replace(loaded, files=self.files.paths())


class PolicyFiles:
    """The files and folders that policy, contracts and exporters are read from, as the policy's file says now.

    While that one is broken, they are what can be read of it, and those of what is in force. For one thread at a time.
    """

    def __init__(self, config: Config) -> None:
        self._policy = config.policy or default_policy()
        self._fixed = frozenset((self._policy, *(config.contracts or (default_contract(),))))
        self._named_at: tuple[int, ...] = ()
        self._named: frozenset[Path] = frozenset()
        self._validity: tuple[tuple[int, ...], bool] = ((), False)

    def paths(self, in_force: frozenset[Path] = frozenset()) -> frozenset[Path]:
        """All of them; `in_force` are those of what is in force. The policy is read only when its file has changed."""
        at = self.policy_stamp()
        if at != self._named_at:
            self._named, self._named_at = frozenset(_files_named_by(self._policy)), at
        return self._fixed | self._named | (in_force if in_force and not self._is_valid(at) else frozenset())

    def policy_stamp(self) -> tuple[int, ...]:
        """What tells whether the policy's file is another one by now."""
        return _file_stamp(self._policy)

    def note_valid(self, stamp: tuple[int, ...]) -> None:
        """Note that the policy's file was loaded after it had this stamp: it need not be read again to be judged."""
        if stamp == self.policy_stamp():
            self._validity = (stamp, True)

    def _is_valid(self, stamp: tuple[int, ...]) -> bool:
        if self._validity[0] != stamp:
            self._validity = (stamp, _is_valid_policy(self._policy))
        return self._validity[1]


def _file_stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size


def _is_valid_policy(path: Path) -> bool:
    try:
        load_policy(path)
    except BadPolicy:
        return False
    return True


def _files_named_by(policy: Path) -> Iterator[Path]:
    """The files that a policy's file names, whatever else is in it, and whatever is wrong with that."""
    try:
        root = compose(load_text(policy, BadPolicy), str(policy), BadPolicy)
    except BadPolicy:
        return
    if path := _text(root, "approvals"):
        yield policy.parent / path
    for destination in _entries(_entries(root).get("destinations")).values():
        # Credentials aren't among them: they are read whenever they are used.
        if path := _text(_entries(destination).get("exporter"), "ca"):
            yield Path(path)


def _entries(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _text(node: Node | None, key: str) -> str:
    """The text at a key; empty if there is none."""
    found = _entries(node).get(key)
    return found.value if found is not None and isinstance(found.value, str) else ""
