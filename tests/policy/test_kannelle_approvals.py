"""What Kannelle's controller approved comes with the gateway: what its contracts say beyond that doesn't count."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from gateway.cli.approve import review_claims
from gateway.contracts.approvals import read_approvals
from gateway.contracts.field_types import approvals_of
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contract
from gateway.model import Category, FieldPrivacy
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path, load
from gateway.policy.review.findings import Severity
from gateway.policy.review.lint import lint
from tests.support.contracts import contract, policy, proto

ROOT: Final = Path(__file__).parents[2]
ACCOUNT: Final = "kannelle/account/v1/account.proto"
NAME: Final = "kannelle.account.v1.Account.full_name"
NOTE: Final = "string note = 9 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_NAME];"
OWN: Final = "message A { string id = 1 @USER_ID; string name = 2 @NAME; } message B { string x = 1; }"


@cache
def kannelle() -> Compiler:
    return Compiler(load_contract([default_contract()]), load(default_path()))


def changed(folder: Path, old: str, new: str) -> Compiler:
    """Kannelle's policy and its contracts, in one of which a text is another."""
    shutil.copytree(ROOT / "protos/kannelle", folder / "kannelle")
    text = (folder / ACCOUNT).read_text()
    assert old in text
    (folder / ACCOUNT).write_text(text.replace(old, new, 1))
    return Compiler(load_contract([folder]), load(default_path()))


def test_the_file_records_what_kannelles_contracts_say() -> None:
    lock = load(default_path()).approvals
    assert lock is not None
    assert review_claims(read_approvals(lock), approvals_of(kannelle().contract, kannelle().claims)).empty
    assert kannelle().classifications == kannelle().claims
    assert kannelle().types_as_annotated == frozenset()


def test_the_command_that_writes_it_finds_nothing_to_change() -> None:
    command = (sys.executable, str(ROOT / "protos/approvals.py"), "--check")
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("change", "field", "counts", "part"),
    [
        (("CATEGORY_NAME", "CATEGORY_OPERATIONAL"), NAME, Category.UNSPECIFIED, "loosened"),
        (("CATEGORY_NAME", "CATEGORY_USER_ID"), NAME, Category.UNSPECIFIED, "loosened"),
        (("CATEGORY_NAME", "CATEGORY_AGE"), NAME, Category.AGE, "tightened"),
        (
            ("message GetAccountRequest {", f"message GetAccountRequest {{\n  {NOTE}"),
            "kannelle.account.v1.GetAccountRequest.note",
            Category.UNSPECIFIED,
            "new",
        ),
        (
            ("message GetAccountResponse {", f"message GetAccountResponse {{\n  {NOTE}"),
            "kannelle.account.v1.GetAccountResponse.note",
            Category.UNSPECIFIED,
            "new",
        ),
    ],
    ids=["looser", "another", "tighter", "new", "new in a type without any"],
)
def test_of_kannelles_types_only_what_is_approved_or_tighter_counts(
    tmp_path: Path, change: tuple[str, str], field: str, counts: Category, part: str
) -> None:
    made = changed(tmp_path, *change)
    assert made.classifications.get(field, FieldPrivacy()).category is counts
    lock = load(default_path()).approvals
    assert lock is not None
    assert field in getattr(review_claims(read_approvals(lock), approvals_of(made.contract, made.claims)), part)
    found = {finding.place: finding for finding in lint(made) if finding.code == "not-approved"}
    assert (field in found) is (counts is Category.UNSPECIFIED)
    assert all("take the contract that this gateway has" in finding.text for finding in found.values())


def test_types_that_a_user_brings_count_as_annotated_and_lint_says_so() -> None:
    made = Compiler(contract(proto(OWN)), load(default_path()))
    assert made.types_as_annotated == {"t.A"}
    assert {name: held.category for name, held in made.classifications.items() if name.startswith("t.")} == {
        "t.A.id": Category.USER_ID,
        "t.A.name": Category.NAME,
    }
    (note,) = [finding for finding in lint(made) if finding.code == "as-annotated"]
    assert (note.severity, note.place) == (Severity.NOTE, "approvals")
    assert "what t.A annotate counts though nobody approved it; `privacy-gateway init`" in note.text


def test_under_a_policy_of_ones_own_what_isnt_recorded_doesnt_count(tmp_path: Path) -> None:
    shutil.copyfile(default_path(), tmp_path / "policy.yaml")
    shutil.copyfile(default_path().with_name("kannelle.approvals.lock"), tmp_path / "kannelle.approvals.lock")
    made = Compiler(contract(proto(OWN)), load(tmp_path / "policy.yaml"))
    assert made.types_as_annotated == frozenset()
    assert not [name for name in made.classifications if name.startswith("t.")]
    assert "as-annotated" not in {finding.code for finding in lint(made)}


def test_without_an_approvals_file_there_is_no_such_note() -> None:
    assert "as-annotated" not in {finding.code for finding in lint(Compiler(contract(proto(OWN)), policy()))}
