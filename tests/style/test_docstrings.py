from __future__ import annotations

import pytest

from tests.style.docstrings import faults, main

KNOWN = frozenset({"store.py"}), frozenset({"Refused", "KeyError"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See `outbox/store.py::Store.accept`.", []),
        ("See `sqlite.py`.", ["a.py: no file sqlite.py"]),
        ("Raises Refused, KeyError.", []),
        ("Raises KeyError if it is gone, Refused otherwise.", []),
        ("Raises TooMuch where\nit is long.", ["a.py: no exception TooMuch"]),
        ("Raises Refused or\n    TooMuch.", ["a.py: no exception TooMuch"]),
        ("Raises nothing. Text follows.", []),
    ],
)
def test_prose_names_what_there_is(text: str, found: list[str]) -> None:
    source = f'def look():\n    """{text}"""\n'
    assert list(faults({"a.py": source}, *KNOWN)) == found


def test_comments_are_prose() -> None:
    assert list(faults({"a.py": "size = 3  # as in `sqlite.py`\n"}, *KNOWN)) == ["a.py: no file sqlite.py"]


def test_the_gateway_s_prose_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out
