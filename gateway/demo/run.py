"""The demo: run a session, compare, verify, print. `privacy-gateway demo` calls `run`."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from rich.console import Console

from gateway.config import DEFAULT_STATE_FOLDER, Config, Listeners, Local
from gateway.contracts.contract import Contract
from gateway.demo.backends import DESCRIPTIONS
from gateway.demo.reasons import ReasonFinder
from gateway.demo.render import print_report
from gateway.demo.report import Report, report
from gateway.demo.service_call import ANSWER, CALLER, caller
from gateway.demo.session import DemoResult, run_session
from gateway.loading import load_sources
from gateway.policy.compile import Compiler
from gateway.policy.load import PolicyFile

DEMO_FOLDER: Final = DEFAULT_STATE_FOLDER / "demo"
"""Where the destinations' files stay, to be looked at."""


def run(console: Console, format: str) -> int:
    """Run the demo and print it, as `text` or as `json`.

    0: nothing but what may has left, and all of that arrived; else 1.

    Raises BadSetup.
    """
    return print_result(console, format, run_demo(DEMO_FOLDER, *load_sources(Config())))


def print_result(console: Console, format: str, told: Report) -> int:
    """Print a report; the exit code that it means."""
    if format == "json":
        console.out(msgspec.json.format(msgspec.json.encode(told), indent=2).decode(), highlight=False)
    else:
        print_report(console, told)
    return 0 if told.ok else 1


def run_demo(state: Path, file: PolicyFile, contract: Contract) -> Report:
    """Run the demo under a policy and contracts, with its files in the folder `state`. Raises BadSetup."""
    config = Config(
        listeners=Listeners(local=Local(address="127.0.0.1:0"), local_http=None), state=state, insecure_loopback=True
    )
    result = uvloop.run(run_session(config, file, contract))
    # gRPC's thread ends with the last of its objects, and they refer to each other.
    gc.collect()
    return build_report(result, state, file, contract)


def build_report(result: DemoResult, state: Path, file: PolicyFile, contract: Contract) -> Report:
    """Compare and verify what was seen."""
    exporters = {name: str(state / f"{name}.jsonl") for name in file.policy.destinations}
    compiler = Compiler(contract, file)
    reasons = ReasonFinder(compiler, {ANSWER: compiler.caller_terms(CALLER, caller(file.policy))})
    return report(file.policy, result, reasons, {**exporters, **DESCRIPTIONS})
