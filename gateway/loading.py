"""Files in, everything compiled out: what a gateway puts in force, at its start and at each reload. Nothing here listens or sends."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gateway.config import Config
from gateway.contracts.contract import Contract
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.errors import BadConfig
from gateway.minimise.flows import Flows
from gateway.policy.compile import Compiler
from gateway.policy.load import PolicyFile
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.receivers.proxy.passage import Courses
from gateway.signals import TRACES

_APPROVALS: Final = re.compile(r"""^approvals:[ ]*["']?([^"'#\s]+)""", re.MULTILINE)


class Loaded(msgspec.Struct, frozen=True):
    """A policy and its contracts, and what they come to. `digest`: SHA-256 over all plans, equal in every gateway that decides alike."""

    file: PolicyFile
    contract: Contract
    flows: Flows
    courses: Courses
    digest: str


def load_all(config: Config) -> tuple[PolicyFile, Contract]:
    """The policy and the contracts that a configuration names, or Kannelle's own. Raises BadSetup."""
    return load_policy(config.policy or default_policy()), load_contracts(config.contracts or (default_contract(),))


def prepare(config: Config, file: PolicyFile, contract: Contract) -> Loaded:
    """Compile all flows and routes. Takes a while: it may be done in a thread. Raises BadSetup."""
    flows = Flows(Compiler(contract, file))
    courses = Courses(flows)
    if config.tls is None and any(not route.local for route in courses.table.routes):
        raise BadConfig("tls: is required, for the policy has a route to an upstream that isn't plaintext")
    if config.telemetry.traces.ratio > 0 and flows.find(TRACES.flow) is None:
        raise BadConfig(f"telemetry.traces.ratio: needs the flow {TRACES.flow} in the policy, by which the gateway's own traces go")
    return Loaded(file, contract, flows, courses, _digest(flows, courses))


def _digest(flows: Flows, courses: Courses) -> str:
    plans = {plan.digest for plan in flows.compiler.plans().values()}
    routes = {way.digest for course in courses.courses for way in (course.out, course.back)}
    return hashlib.sha256("".join(sorted(plans | routes)).encode()).hexdigest()


def files(config: Config) -> Iterator[Path]:
    """The files and folders that policy and contracts are read from, as the policy's file says now, sound or not."""
    policy = config.policy or default_policy()
    yield policy
    yield from config.contracts or (default_contract(),)
    with suppress(OSError, UnicodeDecodeError):
        if named := _APPROVALS.search(policy.read_text(encoding="utf-8")):
            yield policy.parent / named[1]
