"""`deadletters`: what couldn't be delivered, and sending it again. A gateway may run meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from gateway.cli.options import example, output
from gateway.cli.outbox_options import Choice, Criteria, chosen, configured, limited, matching, reasoned


@click.group()
def deadletters() -> None:
    """Look at what couldn't be delivered, send it again."""


@deadletters.command("list", epilog=example("deadletters list --reason REJECTED"))
@configured
@matching
@reasoned
@limited
@output
def list_(path: Path | None, limit: int, form: str, **criteria: Unpack[Criteria]) -> None:
    """List dead letters, with the reason of each."""
    from gateway.cli import entry_table  # noqa: PLC0415 help doesn't wait for protobuf
    from gateway.cli.outbox_access import outbox_of, print_listed  # noqa: PLC0415

    with outbox_of(path) as access:
        found = access.admin.dead(access.filter_of(**criteria), limit + 1)
    if form == "json":
        print_listed("dead_letters", [*map(entry_table.entry_summary, found)], limit)
    else:
        entry_table.print_dead_letters(found[:limit], more=len(found) > limit)


@deadletters.command(epilog=example("deadletters replay --destination analytics --reason REJECTED"))
@chosen
@reasoned
@configured
@output
def replay(path: Path | None, form: str, **choice: Unpack[Choice]) -> int:
    """Have dead letters delivered after all.

    They wait again, as if they had never failed, and are decided on again by the policy of the moment.
    """
    from gateway.cli.outbox_access import outbox_of  # noqa: PLC0415 as above

    with outbox_of(path) as access:
        replayed = access.choice_of(**choice)
        outcome = access.do(access.admin.replay(replayed), replayed)
        return outcome.report("replayed", "waiting again", "dead letter", form)
