"""`approve`: the controller agrees to what contracts and policy say fields hold, and the lock file records it."""

from __future__ import annotations

import importlib.resources
from collections.abc import Collection
from pathlib import Path
from typing import Final

import click
import msgspec

from gateway.cli.options import example, found_sources, output
from gateway.cli.output import console, plural, print_json
from gateway.cli.sources import load_unapproved
from gateway.contracts.approvals import Approvals, read_recorded, write_approvals
from gateway.contracts.classify import loosens
from gateway.contracts.field_types import approvals_of
from gateway.errors import BadPolicy
from gateway.policy.elsewhere import is_builtin
from gateway.policy.wording import classification_wording, shortlist

PACKAGE: Final = Path(str(importlib.resources.files("gateway")))
"""Where the gateway's own files are."""

HEADINGS: Final = {
    "new": "New: leaves once it is approved",
    "loosened": "Loosened: leaves more freely once it is approved",
    "retyped": "Of another type, or with new values: leaves once it is approved",
    "tightened": "Tightened: counts already",
    "removed": "Removed: no contract says it any more",
}


class Review(msgspec.Struct, frozen=True):
    """What is to be approved, by the field's full name, in words; and what no longer stands."""

    new: dict[str, str]
    loosened: dict[str, str]
    retyped: dict[str, str]
    tightened: dict[str, str]
    removed: dict[str, str]

    @property
    def empty(self) -> bool:
        """Whether the lock file is up to date."""
        return not (self.new or self.loosened or self.retyped or self.tightened or self.removed)


@click.command(epilog=example("approve --contracts protos/ --policy policy.yaml"))
@found_sources
@click.option("--yes", is_flag=True, help="Record without asking.")
@output
def approve(contracts: tuple[Path, ...], policy: Path | None, yes: bool, form: str) -> int:
    """Approve what fields are said to hold.

    Shows first what is new, looser, of another type or gone, then asks, then writes the file that the policy names
    under `approvals`. Commit it. JSON is only shown, and exits with 1 if there is something to record, unless --yes is
    given.
    """
    made, file = load_unapproved(contracts, policy)
    if file.approvals is None:
        raise BadPolicy(
            f"{file.origin.at('approvals')}: names no file, so there is nothing to record; say `approvals: "
            "approvals.lock`"
        )
    lock = file.approvals
    if lock.resolve().is_relative_to(PACKAGE.resolve()):
        raise BadPolicy(
            f"{file.origin.at('approvals')}: is a file of the gateway's own, in which nothing is recorded; "
            "`privacy-gateway init` writes a policy of your own, to name a file of your own in: `approvals: "
            "approvals.lock`"
        )
    current = approvals_of(made.contract, made.claims)
    review = review_claims(read_recorded(lock), current)
    agreed = yes and not review.empty
    if form == "json":
        print_json({"file": str(lock), "recorded": agreed, **msgspec.structs.asdict(review)})
    else:
        agreed = _ask(review, lock, file.policy.classifications, yes=yes)
    if agreed:
        _write(lock, current)
    return int(not agreed and not review.empty)


def review_claims(recorded: Approvals, current: Approvals) -> Review:
    """Compare what contracts and policy say with what was approved."""
    was, now = recorded.approved, current.approved
    changed = {name for name in now.keys() & was.keys() if _differs(name, recorded, current)}
    looser = {name for name in changed if loosens(was[name].privacy, now[name].privacy)}
    retyped = {name for name in changed if not recorded.covers_type(name, current)}
    words = {name: _change_wording(name, recorded, current) for name in changed}
    return Review(
        new={name: classification_wording(now[name]) for name in sorted(now.keys() - was.keys())},
        loosened={name: words[name] for name in sorted(looser - retyped)},
        retyped={name: _type_wording(name, recorded, current) for name in sorted(retyped)},
        tightened={name: words[name] for name in sorted(changed - looser - retyped)},
        removed={name: classification_wording(was[name]) for name in sorted(was.keys() - now.keys())},
    )


def _differs(name: str, recorded: Approvals, current: Approvals) -> bool:
    return recorded.approved[name] != current.approved[name] or recorded.values_of(name) != current.values_of(name)


def _change_wording(name: str, recorded: Approvals, current: Approvals) -> str:
    """What a field holds now and held before; of an enum also the values that are gone."""
    was, now = (classification_wording(one.approved[name]) for one in (recorded, current))
    gone = current.new_values(name, recorded)
    return f"{now} (was {was}{f', with {shortlist(sorted(gone))}' if gone else ''})"


def _type_wording(name: str, recorded: Approvals, current: Approvals) -> str:
    """What a field holds and its type, which are approved together, and what was recorded of it."""
    was, now = recorded.approved[name], current.approved[name]
    new = recorded.new_values(name, current) if was.type == now.type else ()
    values = f", with {shortlist(sorted(new))}" if new else ""
    before = f"as {was.type}" if was.type else "without a type"
    return f"{classification_wording(now)}, as {now.type}{values} (was {classification_wording(was)}, {before})"


def _ask(review: Review, lock: Path, overlaid: Collection[str], *, yes: bool) -> bool:
    """Show what there is to agree to; return whether it is agreed.

    Fields of the gateway's own messages are only counted.

    `overlaid` are fields that the policy itself classifies.
    """
    out = console()
    for part, head in HEADINGS.items():
        entries = getattr(review, part)
        if entries:
            out.print(head, style="bold")
        own = {name for name in entries if is_builtin(name) and name not in overlaid}
        for name, words in entries.items():
            if name not in own:
                out.print(f"  {name}: {words}")
        if own:
            out.print(
                f"  {plural(len(own), 'field')} of the gateway's own messages, as this version classifies them "
                "(--format json names them)"
            )
    if review.empty:
        out.print(f"{lock} is up to date.")
        return False
    return yes or click.confirm(f"Record this in {lock}?")


def _write(lock: Path, current: Approvals) -> None:
    try:
        write_approvals(lock, current)
    except OSError as error:
        raise BadPolicy(f"{lock}: can't be written: {error.strerror}") from error
    click.echo(f"Recorded in {lock}.", err=True)
