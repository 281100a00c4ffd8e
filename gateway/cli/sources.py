"""Contracts and policy as the command line names them, compiled; and what to say of a name that neither knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.policy.compile import NOT_AN_ITEM, Compiler
from gateway.policy.load import PolicyFile
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.policy.rules import kind_of_message
from gateway.policy.wording import shortlist


def load_compiler(contracts: Iterable[Path], policy: Path | None) -> tuple[Compiler, PolicyFile]:
    """The compiler of contracts and a policy, Kannelle's where none is given, and the policy's file.

    Raises BadSetup.
    """
    file = load_policy_file(policy)
    return Compiler(load_contracts(tuple(contracts) or (default_contract(),)), file), file


def load_policy_file(policy: Path | None) -> PolicyFile:
    """The policy in a file, or Kannelle's. Raises BadPolicy."""
    return load_policy(policy or default_policy())


def load_unapproved(contracts: Iterable[Path], policy: Path | None) -> tuple[Compiler, PolicyFile]:
    """The same as `load_compiler`, before anything is approved: all classifications count. Raises BadSetup."""
    file = load_policy_file(policy)
    bare = replace(file, policy=msgspec.structs.replace(file.policy, approvals=None))
    return Compiler(load_contracts(tuple(contracts) or (default_contract(),)), bare), file


def find_type(made: Compiler, name: str) -> str:
    """The message type that `name` is, or the one that the flow of this name takes.

    Raises BadParameter, with a guess.
    """
    if name in made.contract.messages:
        if kind_of_message(made.contract.message(name)) != "message":
            raise click.BadParameter(f"{name} {NOT_AN_ITEM}", param_hint="type")
        return name
    if name in made.policy.flows:
        return made.item_type(name)
    if name in made.full_policy.flows:
        text = f"flows.{name} is about another contract than this one; --contracts PATH says where that is"
        raise click.BadParameter(text, param_hint="type")
    raise click.BadParameter(
        f"no contract has a message type {name}{suggestion(name, made.contract.messages)}", param_hint="type"
    )


def find_destination(made: Compiler, file: PolicyFile, name: str) -> str:
    """The destination of this name. Raises BadParameter, with the place of all and a guess."""
    known = made.policy.destinations
    if name not in known:
        place = file.origin.at("destinations")
        raise click.BadParameter(f"{place}: there is no {name}{suggestion(name, known)}", param_hint="destination")
    return name


def suggestion(name: str, known: Iterable[str]) -> str:
    """The known name that this one may stand for: the one that ends like it, or the one most like it."""
    names = sorted(known)
    close = [one for one in names if one.lower().endswith(f".{name.lower()}")] or difflib.get_close_matches(
        name, names, n=1
    )
    return f"; did you mean {close[0]}?" if close else f"; known: {shortlist(names)}"
