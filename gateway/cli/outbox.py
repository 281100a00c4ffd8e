"""`outbox`: what waits to be delivered, and what to do about it. A gateway may run meanwhile."""

from __future__ import annotations

import time
from itertools import chain
from pathlib import Path
from typing import Final, Unpack

import click

from gateway.cli.options import example, output
from gateway.cli.outbox_options import ENTRY_ID, Choice, Criteria, chosen, configured, limited, matching
from gateway.cli.output import print_json

LISTED_DELETIONS: Final = 10
"""Records of deletions that `status` shows."""


@click.group()
def outbox() -> None:
    """Look at what waits to be delivered, act on it."""


@outbox.command(epilog=example("outbox status"))
@configured
@output
def status(path: Path | None, form: str) -> None:
    """Say how much waits, and since when.

    By destination; then the latest records of what was deleted undelivered, by its age, by the policy, by erasure or
    by hand.
    """
    from gateway.cli import entry_table  # noqa: PLC0415 help doesn't wait for protobuf
    from gateway.cli.outbox_access import outbox_of  # noqa: PLC0415

    with outbox_of(path) as access:
        queues, quarantined = access.admin.queues(), access.admin.quarantined()
        deletions = access.admin.deletions(LISTED_DELETIONS)
    if form == "json":
        print_json(
            {
                "destinations": [*map(entry_table.queue_record, queues)],
                "deletions": [*map(entry_table.deletion_record, deletions)],
                "quarantined": quarantined,
            }
        )
    else:
        entry_table.print_status(queues, deletions, quarantined, time.time_ns())


@outbox.command("list", epilog=example("outbox list --destination analytics"))
@configured
@matching
@limited
@output
def list_(path: Path | None, limit: int, form: str, **criteria: Unpack[Criteria]) -> None:
    """List what waits, oldest first."""
    from gateway.cli import entry_table  # noqa: PLC0415 as above
    from gateway.cli.outbox_access import outbox_of, print_listed  # noqa: PLC0415

    with outbox_of(path) as access:
        found = access.admin.items(access.filter_of(**criteria), limit + 1)
    if form == "json":
        print_listed("items", [*map(entry_table.entry_summary, found)], limit)
    else:
        entry_table.print_items(found[:limit], more=len(found) > limit, now_ns=time.time_ns())


@outbox.command(epilog=example("outbox show 17"))
@click.argument("id_", metavar="ID", type=ENTRY_ID)
@configured
@click.option("--values", is_flag=True, help="Print the message too. It holds only what its destination may have.")
@output
def show(id_: int, path: Path | None, values: bool, form: str) -> int:
    """Show one item or dead letter.

    What is known of it, and its fields with their sizes. Exits with 1 if there is none with this ID.
    """
    from gateway.cli import entry_table  # noqa: PLC0415 as above
    from gateway.cli.outbox_access import outbox_of  # noqa: PLC0415

    with outbox_of(path) as access:
        found = access.admin.find(id_)
        message = access.message(*found) if found else None
    if found is None:
        click.echo(f"There is no item and no dead letter {id_}: delivered, deleted, or never there.", err=True)
        return 1
    details = entry_table.EntryDetails.of(found[0], message, values=values)
    if form == "json":
        print_json(details.record())
    else:
        details.print()
    return 0


@outbox.command(epilog=example("outbox retry --destination analytics"))
@chosen
@configured
@output
def retry(path: Path | None, form: str, **choice: Unpack[Choice]) -> int:
    """Have what was put off sent at once.

    A recipient that fails again and again is still tried only now and then.
    """
    from gateway.cli.outbox_access import outbox_of  # noqa: PLC0415 as above

    with outbox_of(path) as access:
        retried = access.choice_of(**choice)
        outcome = access.do(access.admin.retry(retried), retried)
        return outcome.with_leased().report("retried", "due now", "item", form)


@outbox.command(epilog=example("outbox dead-letter 17 18"))
@chosen
@configured
@output
def dead_letter(path: Path | None, form: str, **choice: Unpack[Choice]) -> int:
    """Make dead letters of items.

    `deadletters replay` undoes it. What is on its way at that moment is counted apart: once delivered, it is no dead
    letter.
    """
    from gateway.cli.outbox_access import outbox_of  # noqa: PLC0415 as above

    with outbox_of(path) as access:
        access.check_keeps_dead_letters()
        given_up = access.choice_of(**choice)
        outcome = access.do(access.admin.dead_letter(given_up), given_up)
        return outcome.report("dead_lettered", "dead letters now", "item", form)


@outbox.command(epilog=example("outbox purge --destination analytics --dead"))
@chosen
@click.option("--dead", is_flag=True, help="Dead letters, not what waits. IDs may be either.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@configured
@output
def purge(dead: bool, yes: bool, path: Path | None, form: str, **choice: Unpack[Choice]) -> int:
    """Delete items or dead letters, undelivered.

    A record of it stays, which `outbox status` shows. What is on its way at that moment is deleted too, and counted
    apart: it may be delivered. JSON needs --yes.
    """
    from gateway.cli.outbox_access import described, outbox_of  # noqa: PLC0415 as above

    noun = "dead letter" if dead else "item"
    with outbox_of(path) as access:
        admin, purged = access.admin, access.choice_of(**choice)
        if not yes and (
            form == "json" or not click.confirm(f"Delete {described(purged, noun)}, undelivered and for good?")
        ):
            raise click.UsageError("Nothing was deleted; --yes deletes without asking.")
        items = () if dead else admin.purge(purged)
        dead_letters = admin.purge_dead(purged) if dead or purged.ids else ()
        outcome = access.do(chain(items, dead_letters), purged)
        if not admin.wipe():
            click.echo(
                "Another program is reading the outbox: what was deleted stays in its log until that ends.", err=True
            )
        return outcome.report("deleted", "deleted", noun, form)
