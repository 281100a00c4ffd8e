"""`outbox` and `deadletters`: what waits to be delivered, what couldn't be, and what to do about it.

A gateway may run meanwhile.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from gateway.cli.options import FILE, example, output
from gateway.cli.output import plural, print_json

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.config import Config
    from gateway.delivery.outbox.admin import OutboxAdmin
    from gateway.delivery.outbox.interface import Removed
    from gateway.delivery.outbox.stored_entry import EntryFilter, StoredEntry

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_LISTED: Final = 10
"""Records of sweeps that `status` shows."""

LIMIT: Final = 50


def configured(command: F) -> F:
    """`--config`, for whose state folder counts."""
    help_ = "The gateway's configuration. [default: the embedded one]"
    return click.option("--config", "path", type=FILE, metavar="FILE", help=help_)(command)


def matching(command: F) -> F:
    """`--destination` and `--type`."""
    typed = click.option("--type", "type_", default="", metavar="TYPE", help="Only of this message type.")(command)
    return click.option("--destination", default="", metavar="NAME", help="Only for this destination.")(typed)


def reasoned(command: F) -> F:
    """`--reason`."""
    return click.option(
        "--reason", default="", metavar="REASON", help="Only those dead for this reason, such as REJECTED."
    )(command)


def chosen(command: F) -> F:
    """IDs, or else what matches, or all."""
    every = click.option("--all", "everything", is_flag=True, help="All there are.")(matching(command))
    return click.argument("ids", metavar="[ID]...", type=click.IntRange(min=1), nargs=-1)(every)


def limited(command: F) -> F:
    """`--limit`."""
    return click.option(
        "--limit", type=click.IntRange(1, 100_000), default=LIMIT, show_default=True, help="How many to list."
    )(command)


@click.group()
def outbox() -> None:
    """Look at what waits to be delivered, act on it."""


@outbox.command(epilog=example("outbox status"))
@configured
@output
def status(path: Path | None, form: str) -> None:
    """Say how much waits, and since when.

    By destination; then the latest records of what was taken away undelivered, by its age, by the policy, by erasure or
    by hand.
    """
    from gateway.cli import entry_table as held  # noqa: PLC0415 help doesn't wait for protobuf

    with _admin(path) as (stock, _):
        lots, swept, aside = stock.queues(), stock.deletions(DEFAULT_LISTED), stock.quarantined()
    if form == "json":
        print_json(
            {
                "destinations": [*map(held.queue_record, lots)],
                "taken_away": [*map(held.deletion_record, swept)],
                "set_aside": aside,
            }
        )
    else:
        held.print_status(lots, swept, aside, time.time_ns())


@outbox.command("list", epilog=example("outbox list --destination analytics"))
@configured
@matching
@limited
@output
def list_(path: Path | None, limit: int, form: str, **named: str) -> None:
    """List what waits, oldest first."""
    from gateway.cli import entry_table as held  # noqa: PLC0415 as above

    with _admin(path) as (stock, config):
        found = stock.items(_matching(stock, config, **named), limit + 1)
    if form == "json":
        print_json(_listed("items", found, limit))
    else:
        held.print_items(found[:limit], more=len(found) > limit, now_ns=time.time_ns())


@outbox.command(epilog=example("outbox show 17"))
@click.argument("id_", metavar="ID", type=click.IntRange(min=1))
@configured
@click.option("--values", is_flag=True, help="Print the message too. It holds only what its destination may have.")
@output
def show(id_: int, path: Path | None, values: bool, form: str) -> int:
    """Show one item or dead letter.

    What is known of it, and its fields with their sizes. Exits with 1 if there is none with this ID.
    """
    from gateway.cli import entry_table as held  # noqa: PLC0415 as above

    with _admin(path) as (stock, config):
        found = stock.find(id_)
    if found is None:
        click.echo(f"There is no item and no dead letter {id_}: delivered, deleted, or never there.", err=True)
        return 1
    told = held.entry_record(found[0], _message(config, *found), values=values)
    if form == "json":
        print_json(told)
    else:
        held.print_entry(told)
    return 0


@outbox.command(epilog=example("outbox retry --destination analytics"))
@chosen
@configured
@output
def retry(ids: tuple[int, ...], path: Path | None, form: str, **named: Any) -> int:
    """Have what was put off sent at once.

    A recipient that fails again and again is still tried only now and then.
    """
    with _admin(path) as (stock, config):
        choice = _choice(stock, config, ids, **named)
        done = sum(_done(stock.retry(choice), stock, choice))
        return _printed(("due", "due now"), "item", choice, (done, 0), form)


@outbox.command(epilog=example("outbox dead-letter 17 18"))
@chosen
@configured
@output
def dead_letter(ids: tuple[int, ...], path: Path | None, form: str, **named: Any) -> int:
    """Make dead letters of items.

    `deadletters replay` undoes it. What is on its way at that moment is counted apart: once delivered, it is no dead
    letter.
    """
    with _admin(path) as (stock, config):
        choice = _choice(stock, config, ids, **named)
        return _printed(
            ("dead-lettered", "dead letters now"), "item", choice, _done(stock.dead_letter(choice), stock, choice), form
        )


@outbox.command(epilog=example("outbox purge --destination analytics --dead"))
@chosen
@click.option("--dead", is_flag=True, help="Dead letters, not what waits. IDs may be either.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@configured
@output
def purge(ids: tuple[int, ...], dead: bool, yes: bool, path: Path | None, form: str, **named: Any) -> int:
    """Delete items or dead letters, undelivered.

    A record of it stays, which `outbox status` shows. What is on its way at that moment is deleted too, and counted
    apart: it may be delivered. JSON needs --yes.
    """
    noun = "dead letter" if dead else "item"
    with _admin(path) as (stock, config):
        choice = _choice(stock, config, ids, **named)
        if not yes and (
            form == "json" or not click.confirm(f"Delete {_words(choice, noun)}, undelivered and for good?")
        ):
            raise click.UsageError("Nothing was deleted; --yes deletes without asking.")
        steps = (
            stock.purge_dead(choice) if dead else chain(stock.purge(choice), stock.purge_dead(choice) if ids else ())
        )
        removed = _done(steps, stock, choice)
        if not stock.wipe():
            click.echo(
                "Another program is reading the outbox: what was deleted stays in its log until that ends.", err=True
            )
        return _printed(("deleted", "deleted"), noun, choice, removed, form)


@click.group()
def deadletters() -> None:
    """Look at what couldn't be delivered, send it again."""


@deadletters.command("list", epilog=example("deadletters list --reason REJECTED"))
@configured
@matching
@reasoned
@limited
@output
def list_dead(path: Path | None, limit: int, form: str, **named: str) -> None:
    """List dead letters, with the reason of each."""
    from gateway.cli import entry_table as held  # noqa: PLC0415 as above

    with _admin(path) as (stock, config):
        found = stock.dead(_matching(stock, config, **named), limit + 1)
    if form == "json":
        print_json(_listed("dead_letters", found, limit))
    else:
        held.print_dead(found[:limit], more=len(found) > limit)


@deadletters.command(epilog=example("deadletters replay --destination analytics --reason REJECTED"))
@chosen
@reasoned
@configured
@output
def replay(ids: tuple[int, ...], path: Path | None, form: str, **named: Any) -> int:
    """Have dead letters delivered after all.

    They wait again, as if they had never failed, and are decided on again by the policy of the moment.
    """
    with _admin(path) as (stock, config):
        choice = _choice(stock, config, ids, **named)
        return _printed(
            ("replayed", "waiting again"), "dead letter", choice, _done(stock.replay(choice), stock, choice), form
        )


@contextmanager
def _admin(path: Path | None) -> Iterator[tuple[OutboxAdmin, Config]]:
    """The outbox of the gateway that a configuration describes. Raises BadConfig."""
    from gateway.config import load  # noqa: PLC0415 as above
    from gateway.delivery.outbox import file  # noqa: PLC0415
    from gateway.delivery.outbox.admin import OutboxAdmin  # noqa: PLC0415

    config = load(path, os.environ)
    if config.outbox is None:
        raise click.UsageError("This gateway has no outbox: it is an agent that hands everything to its hub.")
    stock = OutboxAdmin.open(config.state / file.NAME, config.outbox)
    try:
        yield stock, config
    finally:
        stock.close()


def _message(config: Config, held: StoredEntry, payload: bytes) -> Message | None:
    """What is stored, as a message; None where it can't be read, or its type is in no contract."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 as above

    from gateway.contracts.load import default_path, load  # noqa: PLC0415

    try:
        return (
            load(config.contracts or (default_path(),)).message_class(held.type).FromString(payload)
            if held.intact
            else None
        )
    except (DecodeError, KeyError):
        return None


def _matching(admin: OutboxAdmin, config: Config, destination: str, type_: str, reason: str = "") -> EntryFilter:
    """What matches.

    Raises BadParameter for a destination that nothing was ever stored for and that the policy doesn't know.
    """
    from gateway.delivery.outbox.stored_entry import EntryFilter  # noqa: PLC0415 as above

    if destination:
        _check_known(destination, [lot.destination for lot in admin.queues()], config)
    return EntryFilter((), destination, type_, reason)


def _check_known(destination: str, stored: list[str], config: Config) -> None:
    """The policy is asked only where the outbox doesn't know a name.

    One that is broken keeps nobody from what is stored.
    """
    from gateway.cli.sources import load_policy_file, suggestion  # noqa: PLC0415 as above

    if destination in stored:
        return
    known = {*stored, *load_policy_file(config.policy).policy.destinations}
    if destination not in known:
        text = f"nothing was ever stored for {destination}, nor does the policy know it{suggestion(destination, known)}"
        raise click.BadParameter(text, param_hint="--destination")


def _choice(  # noqa: PLR0913, PLR0917 - as the options are
    admin: OutboxAdmin,
    config: Config,
    ids: tuple[int, ...],
    destination: str,
    type_: str,
    everything: bool,
    reason: str = "",
) -> EntryFilter:
    """What a command shall act on. Raises UsageError where that isn't clear."""
    ways = bool(ids), bool(destination or type_ or reason), everything
    if sum(ways) != 1:
        raise click.UsageError("Say which: IDs, or what they have in common, or --all.")
    return msgspec.structs.replace(_matching(admin, config, destination, type_, reason), ids=ids)


def _words(choice: EntryFilter, noun: str) -> str:
    if choice.ids:
        return plural(len(set(choice.ids)), noun)
    said = ((" for ", choice.destination), (" of type ", choice.type))
    return f"all {noun}s{''.join(before + name for before, name in said if name)}"


def _done(steps: Iterator[Removed], admin: OutboxAdmin, choice: EntryFilter) -> tuple[int, int]:
    """Do it, with a bar on a terminal; how many it was, and how many more were on their way."""
    from rich.console import Console  # noqa: PLC0415 as above
    from rich.progress import Progress  # noqa: PLC0415

    total = len(choice.ids) or sum(
        lot.items + lot.dead for lot in admin.queues() if choice.destination in ("", lot.destination)
    )
    done = under_way = 0
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("", total=total)
        for step in steps:
            done, under_way = done + step.deleted, under_way + step.leased
            progress.advance(bar, step.deleted + step.leased)
    return done, under_way


def _printed(became: tuple[str, str], noun: str, choice: EntryFilter, counts: tuple[int, int], form: str) -> int:
    """Say what they became, the key of it first: how many, and how many more were on their way.

    1 if some of the IDs weren't there.
    """
    done, under_way = counts
    missing = len(set(choice.ids)) - done - under_way if choice.ids else 0
    if form == "json":
        print_json({became[0]: done, "under_way": under_way, "missing": missing})
    else:
        apart = f"; {under_way} more were on their way, delivered or not" if under_way else ""
        click.echo(
            f"{plural(done, noun)} {became[1]}{apart}{f'; {missing} of the IDs were not there' if missing else ''}."
        )
    return int(missing > 0)


def _listed(key: str, found: Any, limit: int) -> dict[str, Any]:
    from gateway.cli.entry_table import plain  # noqa: PLC0415 as above

    return {key: [plain(one) for one in found[:limit]], "more": len(found) > limit}
