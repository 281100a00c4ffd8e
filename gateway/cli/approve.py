"""`approve`: the controller agrees to what contracts and policy say fields hold, and the lock file records it."""

from __future__ import annotations

import importlib.resources
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import click
import msgspec

from gateway.cli.options import example, found_sources, output
from gateway.cli.output import console, plural, print_json
from gateway.cli.sources import load_unapproved
from gateway.contracts.approvals import read_approvals, write_approvals
from gateway.contracts.classify import loosens
from gateway.errors import BadPolicy
from gateway.files import is_missing
from gateway.model import FieldPrivacy
from gateway.policy.elsewhere import is_builtin
from gateway.policy.wording import classification_wording

PACKAGE: Final = Path(str(importlib.resources.files("gateway")))
"""Where the gateway's own files are."""

HEADINGS: Final = {
    "new": "New: leaves once it is approved",
    "loosened": "Loosened: leaves more freely once it is approved",
    "tightened": "Tightened: counts already",
    "removed": "Removed: no contract says it any more",
}


class Review(msgspec.Struct, frozen=True):
    """What is to be approved, by the field's full name, in words; and what no longer stands."""

    new: dict[str, str]
    loosened: dict[str, str]
    tightened: dict[str, str]
    removed: dict[str, str]

    @property
    def empty(self) -> bool:
        """Whether the lock file is up to date."""
        return not (self.new or self.loosened or self.tightened or self.removed)


@click.command(epilog=example("approve --contracts protos/ --policy policy.yaml"))
@found_sources
@click.option("--yes", is_flag=True, help="Record without asking.")
@output
def approve(contracts: tuple[Path, ...], policy: Path | None, yes: bool, form: str) -> int:
    """Approve what fields are said to hold.

    Shows first what is new, looser or gone, then asks, then writes the file that the policy names under `approvals`.
    Commit it. JSON is only shown, and exits with 1 if there is something to record, unless --yes is given.
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
    review = review_claims({} if is_missing(lock) else read_approvals(lock), made.claims)
    agreed = yes and not review.empty
    if form == "json":
        print_json({"file": str(lock), "recorded": agreed, **msgspec.structs.asdict(review)})
    else:
        agreed = _ask(review, lock, file.policy.classifications, yes=yes)
    if agreed:
        _write(lock, made.claims)
    return int(not agreed and not review.empty)


def review_claims(recorded: Mapping[str, FieldPrivacy], claims: Mapping[str, FieldPrivacy]) -> Review:
    """Compare what contracts and policy say with what was approved."""
    changed = {name: privacy for name, privacy in claims.items() if name in recorded and recorded[name] != privacy}
    looser = {name for name, privacy in changed.items() if loosens(recorded[name], privacy)}
    words = {
        name: f"{classification_wording(privacy)} (was {classification_wording(recorded[name])})"
        for name, privacy in changed.items()
    }
    return Review(
        new={name: classification_wording(claims[name]) for name in sorted(claims.keys() - recorded.keys())},
        loosened={name: words[name] for name in sorted(looser)},
        tightened={name: words[name] for name in sorted(changed.keys() - looser)},
        removed={name: classification_wording(recorded[name]) for name in sorted(recorded.keys() - claims.keys())},
    )


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


def _write(lock: Path, claims: Mapping[str, FieldPrivacy]) -> None:
    try:
        write_approvals(lock, claims)
    except OSError as error:
        raise BadPolicy(f"{lock}: can't be written: {error.strerror}") from error
    click.echo(f"Recorded in {lock}.", err=True)
