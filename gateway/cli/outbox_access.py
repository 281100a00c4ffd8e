"""A gateway's outbox in an operator's hands: what is chosen, what is done to it, and what is said of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

import click
import msgspec
from google.protobuf.message import DecodeError, Message
from rich.console import Console
from rich.progress import Progress

from gateway.cli.outbox_options import Criteria
from gateway.cli.output import plural, print_json
from gateway.cli.sources import load_policy_file, suggestion
from gateway.config import Config, load
from gateway.contracts.load import default_path
from gateway.contracts.load import load as load_contracts
from gateway.delivery.outbox import file
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.interface import Removed
from gateway.delivery.outbox.stored_entry import EntryFilter, StoredEntry


class Outcome(msgspec.Struct, frozen=True):
    """What became of entries: how many, how many more on a lease, and how many IDs weren't there."""

    done: int
    leased: int
    missing: int

    def with_leased(self) -> Outcome:
        """Return the same where it makes no difference whether an entry was on a lease."""
        return Outcome(self.done + self.leased, 0, self.missing)

    def report(self, key: str, became: str, noun: str, form: str) -> int:
        """Say what they became, in JSON under `key`. Return the exit code: 1 if some of the IDs weren't there."""
        if form == "json":
            print_json({key: self.done, "leased": self.leased, "missing": self.missing})
        else:
            leased = f"; {self.leased} more were on their way, delivered or not" if self.leased else ""
            missing = f"; {self.missing} of the IDs were not there" if self.missing else ""
            click.echo(f"{plural(self.done, noun)} {became}{leased}{missing}.")
        return int(self.missing > 0)


class OutboxAccess:
    """An open outbox, and the configuration of the gateway that it is of."""

    def __init__(self, admin: OutboxAdmin, config: Config) -> None:
        self.admin = admin
        self._config = config

    def filter_of(self, **criteria: Unpack[Criteria]) -> EntryFilter:
        """Return the filter by criteria.

        Raises BadParameter for a destination that nothing was ever stored for and that the policy doesn't know.
        """
        destination = criteria.get("destination", "")
        if destination:
            self._check_known(destination)
        return EntryFilter((), destination, criteria.get("type_", ""), criteria.get("reason", ""))

    def choice_of(self, ids: tuple[int, ...], *, everything: bool, **criteria: Unpack[Criteria]) -> EntryFilter:
        """Return the filter for what a command shall act on. Raises UsageError where that isn't clear."""
        if sum((bool(ids), any(criteria.values()), everything)) != 1:
            raise click.UsageError("Say which: IDs, or what they have in common, or --all; one of these.")
        return msgspec.structs.replace(self.filter_of(**criteria), ids=ids)

    def check_keeps_dead_letters(self) -> None:
        """Raise UsageError for an agent's outbox, whose dead letters would wait again at once."""
        if self._config.role == "agent":
            raise click.UsageError("An agent has no dead letters: its hub keeps them. `outbox purge` deletes.")

    def do(self, steps: Iterable[Removed], choice: EntryFilter) -> Outcome:
        """Do all steps, with a bar on a terminal."""
        done = leased = 0
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            bar = progress.add_task("", total=self._most(choice))
            for step in steps:
                done, leased = done + step.deleted, leased + step.leased
                progress.advance(bar, step.deleted + step.leased)
        return Outcome(done, leased, len(set(choice.ids)) - done - leased if choice.ids else 0)

    def message(self, entry: StoredEntry, payload: bytes) -> Message | None:
        """Return what is stored, as a message; None where it can't be read, or its type is in no contract."""
        if not entry.intact:
            return None
        contract = load_contracts(self._config.contracts or (default_path(),))
        try:
            return contract.message_class(entry.type).FromString(payload)
        except (DecodeError, KeyError):
            return None

    def _most(self, choice: EntryFilter) -> int:
        return len(choice.ids) or sum(
            queue.items + queue.dead for queue in self.admin.queues() if choice.destination in ("", queue.destination)
        )

    def _check_known(self, destination: str) -> None:
        """Raise BadParameter for a destination that nobody knows.

        The policy is asked only where the outbox doesn't know it: one that is broken keeps nobody from what is stored.
        """
        stored = {queue.destination for queue in self.admin.queues()}
        if destination in stored:
            return
        known = {*stored, *load_policy_file(self._config.policy).policy.destinations}
        if destination not in known:
            text = (
                f"nothing was ever stored for {destination}, nor does the policy know it"
                f"{suggestion(destination, known)}"
            )
            raise click.BadParameter(text, param_hint="--destination")


@contextmanager
def outbox_of(path: Path | None) -> Iterator[OutboxAccess]:
    """Open the outbox of the gateway that a configuration describes. Raises BadConfig."""
    config = load(path, os.environ)
    if config.outbox is None:
        raise click.UsageError("This gateway has no outbox: it is an agent that hands everything to its hub.")
    admin = OutboxAdmin.open(config.state / file.NAME, config.outbox)
    try:
        yield OutboxAccess(admin, config)
    finally:
        admin.close()


def described(choice: EntryFilter, noun: str) -> str:
    """Return what is chosen in words: `3 items`, `all items for crm`."""
    if choice.ids:
        return plural(len(set(choice.ids)), noun)
    named = ((" for ", choice.destination), (" of type ", choice.type))
    return f"all {noun}s{''.join(before + name for before, name in named if name)}"


def print_listed(key: str, records: Sequence[object], limit: int) -> None:
    """Print `limit` records as JSON under a key, and whether there are more."""
    print_json({key: records[:limit], "more": len(records) > limit})
