"""Record what Kannelle's contracts say that fields hold, as its controller approves it by reviewing the difference.

`python protos/approvals.py` writes `gateway/policy/kannelle.approvals.lock` by the contracts in the package; what it
tells is what a reviewer will see. With `--check` it only tells, and exits with 1 when something is out of step.
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec

from gateway.cli.approve import HEADINGS, review_claims
from gateway.cli.sources import load_unapproved
from gateway.contracts.approvals import read_recorded, write_approvals
from gateway.contracts.field_types import approvals_of
from gateway.contracts.load import default_path as default_contract
from gateway.policy.load import default_path as default_policy

LOCK: Final = default_policy().with_name("kannelle.approvals.lock")


def main(arguments: list[str]) -> int:
    """Compare and tell; write unless current only to check."""
    made, _ = load_unapproved((default_contract(),), default_policy())
    current = approvals_of(made.contract, made.claims)
    review = review_claims(read_recorded(LOCK), current)
    for part, fields in msgspec.structs.asdict(review).items():
        for name, words in fields.items():
            print(f"{HEADINGS[part].partition(':')[0]}: {name}: {words}", file=sys.stderr)
    if arguments != ["--check"]:
        write_approvals(LOCK, current, "make protos")
    elif not review.empty:
        print("run `make protos`, and let the controller review what changes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
