"""`templates`: which texts are collected, which are only told of, and that what is printed is what the policy reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import main
from gateway.cli.templates import yaml_scalar
from gateway.errors import BadPolicy
from gateway.log_templates import LoggedText, Remark, UnreadableSource, scan
from gateway.policy.load import default_path
from gateway.yamlfile import parse


def found(source: str) -> list[str]:
    """The texts collected."""
    return [one.template for one in scan(source.encode(), "a.py") if isinstance(one, LoggedText)]


def notes(source: str) -> list[str]:
    return [one.text for one in scan(source.encode(), "a.py") if isinstance(one, Remark)]


@pytest.mark.parametrize(
    "call",
    [
        "log.debug('x')",
        "logger.info('x', 1)",
        "LOG.warning('x')",
        "_log_.warn('x')",
        "self._log.error('x')",
        "app.logger.critical('x')",
        "logging.fatal('x')",
        "audit_log.exception('x')",
        "log.log(10, 'x')",
        "logging.getLogger(__name__).info('x')",
        "structlog.get_logger().info('x', user_id=1)",
        "log.bind(user_id=1).new(a=2).info('x')",
        "log.getChild('a').info('x')",
        "log.info(msg='x')",
        "log.info(event='x', user_id=1)",
        "out = logging.getLogger()\nout.info('x')",
        "self.out: Logger = get_logger()\nself.out.info('x')",
        "out = logging.LoggerAdapter(log, {})\nout.info('x')",
        "import logging as l\nl.info('x')",
        "async def f():\n    await log.info('x')",
        "lambda: [log.info('x') for _ in range(3)]",
    ],
)
def test_what_a_logger_says_is_collected(call: str) -> None:
    assert found(call) == ["x"]
    assert notes(call) == []


@pytest.mark.parametrize(
    "call",
    [
        "print('x')",
        "out.info('x')",
        "log('x')",
        "log.info()",
        "log.isEnabledFor('x')",
        "log.log('x')",
        "warnings.warn('x')",
        "info('x')",
    ],
)
def test_what_no_logger_says_is_not(call: str) -> None:
    assert (found(call), notes(call)) == ([], [])


@pytest.mark.parametrize(
    ("text", "templates"),
    [
        ("'a' 'b'", ["ab"]),
        ("'a' + 'b' + 'c'", ["abc"]),
        ("f'ab'", ["ab"]),
        ("'''a\n  b'''", ["a\n  b"]),
        ("r'\\d %s'", ["\\d %s"]),
        ("'a' if x else 'b'", ["a", "b"]),
        ("'a' + ('b' if x else 'c')", ["ab", "ac"]),
        ("TEXT", ["hello"]),
        ("TEXT + ' %s'", ["hello %s"]),
    ],
)
def test_a_constant_is_what_can_be_told_from_the_source(text: str, templates: list[str]) -> None:
    assert found(f"TEXT = 'hello'\nlog.info({text}, 1)") == templates


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("f'a {b}'", "an f-string"),
        ("'a %s' % b", "a text formatted with %"),
        ("'a {}'.format(b)", "a text made with .format()"),
        ("'a' + b", "a sum with something that varies in it"),
        ("b", "what varies"),
        ("b.c", "what varies"),
        ("*b", "what varies"),
        ("b'a'", "what varies"),
        ("1", "what varies"),
        ("'a' if c else b", "what varies"),
        ("error", "what varies"),
    ],
)
def test_what_varies_is_told_of(text: str, kind: str) -> None:
    source = f"\nlog.error({text})"
    assert found(source) == []
    assert list(scan(source.encode(), "a.py")) == [
        Remark("a.py", 2, f"{kind} is never a template: log a constant, and what varies as an attribute")
    ]


@pytest.mark.parametrize(
    "other",
    [
        "TEXT = 'b'",
        "def f(TEXT): pass",
        "for TEXT in x: pass",
        "import TEXT",
        "def TEXT(): pass",
        "with x as TEXT: pass",
        "TEXT += 'b'",
        "(TEXT := 'b')",
        "try: pass\nexcept E as TEXT: pass",
        "match x:\n    case TEXT: pass",
        "def f():\n    global TEXT\n    TEXT = 'b'",
        "del TEXT",
    ],
)
def test_a_name_that_is_bound_twice_is_no_constant(other: str) -> None:
    assert found(f"TEXT = 'a'\nlog.info(TEXT)\n{other}") == []


def test_a_name_bound_elsewhere_than_at_the_top_is_no_constant() -> None:
    assert found("def f():\n    TEXT = 'a'\n    log.info(TEXT)") == []


def test_names_that_name_each_other_end() -> None:
    assert found("A = B\nB = A\nlog.info(A)") == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("write to ada@acme.example", "looks like email"),
        ("call +33 6 12 34 56 78", "looks like phone"),
        ("from 203.0.113.7", "looks like ip address"),
        ("a\u200bb\ud800", "unreadable"),
        ("  ", "an empty text"),
        ("x" * 1001, "longer than the 1000 characters"),
    ],
)
def test_a_text_that_holds_something_personal_is_left_out_and_not_repeated(text: str, fault: str) -> None:
    source = f"log.info({text!a})"
    assert found(source) == []
    (note,) = notes(source)
    assert note.startswith(fault)
    assert text not in note or not text.strip()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"x = 1\nlog.info('a'\n", 2),
        (b"print 'a'", 1),
        (b"\x00", 1),
        (b"\xff = 1", 1),
        (b"# coding: nonsense\n", 1),
        (b"log.info(" + b"(" * 5000 + b"'a'" + b")" * 5001, 1),
        (b"log.info(" + b"'a'+" * 20_000 + b"'a')", 1),
    ],
)
def test_what_cannot_be_parsed_is_told_with_a_line(source: bytes, line: int) -> None:
    with pytest.raises(UnreadableSource) as caught:
        list(scan(source, "a.py"))
    assert caught.value.line in {line, 0, 1}


def test_other_encodings_are_read() -> None:
    assert [
        one.template
        for one in scan("# coding: latin-1\nlog.info('é')".encode("latin-1"), "a.py")
        if isinstance(one, LoggedText)
    ] == ["é"]


def test_many_ways_are_not_followed() -> None:
    ways = " + ".join(["('a' if x else 'b')"] * 40)
    assert found(f"log.info({ways})") == []


class Listed(msgspec.Struct, forbid_unknown_fields=True):
    log_templates: tuple[str, ...] = ()


class Document(msgspec.Struct, forbid_unknown_fields=True):
    otlp: Listed


def read(block: str) -> tuple[str, ...]:
    """What the policy's reader makes of a block pasted below `otlp:`."""
    return parse(f"otlp:\n{block}", "policy.yaml", Document, BadPolicy)[0].otlp.log_templates


ODD: Final = [
    "'",
    '"',
    "a: b",
    "# a",
    "a #b",
    "- a",
    "%s %d",
    "{a}",
    "[a]",
    "null",
    "true",
    "No",
    "1e5",
    "~",
    "",
    " a ",
    "a\nb",
    "a\tb",
    "\\n",
    "é",
    "👋",
    "\x00",
    "\x85",
    "\u2028",
    "\ufeff",
    "\x7f",
    "a:",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "@a",
    "`a`",
    "a, b",
    "=",
    "<<",
    "0x1F",
    "---",
    "...",
]


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_any_text_is_quoted_so_that_yaml_reads_it(text: str) -> None:
    assert read(f"  log_templates:\n    - {yaml_scalar(text)}  # a.py:1\n") == (text,)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_quoted_is_read_as_it_was(text: str) -> None:
    assert read(f"  log_templates:\n    - {yaml_scalar(text)}  # a.py:1\n") == (text,)


SOURCE: Final = """\
log.info("video %s exported: %d", a, b)
log.info("server started")
log.info(f"hello {name}")
log.info("server started")
log.info("ada@acme.example")
"""


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, ["templates", *map(str, arguments)], prog_name="privacy-gateway")
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "src/b.py": SOURCE,
        "src/a/a.py": "log.info('server started')\nlog.info('a: \\'b\\'')",
        "src/a.txt": "log.info('c')",
        "src/.venv/a.py": "log.info('d')",
        "src/__pycache__/a.py": "log.info('e')",
        "src/env/a.py": "log.info('f')",
        "src/env/pyvenv.cfg": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_block_is_printed_that_can_be_pasted(folder: Path) -> None:
    result = run("src")
    assert result.exit_code == 0
    assert result.stdout == (
        "  log_templates:\n"
        "    - \"a: 'b'\"  # src/a/a.py:2\n"
        "    - server started  # src/b.py:2, 3 uses\n"
        '    - "video %s exported: %d"  # src/b.py:1\n'
    )
    assert read(result.stdout) == ("a: 'b'", "server started", "video %s exported: %d")
    assert result.stderr == (
        "src/b.py:3: an f-string is never a template: log a constant, and what varies as an attribute\n"
        "src/b.py:5: looks like email: left out, for it holds something personal\n"
        "3 templates\n"
    )


def test_a_program_gets_json(folder: Path) -> None:
    told: dict[str, Any] = json.loads(run("src/b.py", "src", "--format", "json").stdout)
    assert [one["template"] for one in told["templates"]] == ["a: 'b'", "server started", "video %s exported: %d"]
    assert told["templates"][1]["uses"] == ["src/b.py:2", "src/b.py:4", "src/a/a.py:1"]
    assert [(note["path"], note["line"]) for note in told["notes"]] == [("src/b.py", 3), ("src/b.py", 5)]


def test_what_the_policy_lists_is_left_out(folder: Path) -> None:
    result = run("src", "--policy", default_path())
    assert read(result.stdout) == ("a: 'b'", "video %s exported: %d")
    assert result.stderr.endswith("2 templates; 1 more listed already\n")
    assert json.loads(run("src", "--policy", default_path(), "--format", "json").stdout)["listed"] == 1


def test_nothing_found_is_an_empty_list(folder: Path) -> None:
    (folder / "empty").mkdir()
    result = run("empty")
    assert (result.exit_code, result.stderr, read(result.stdout)) == (0, "0 templates\n", ())


def test_a_file_that_cannot_be_read_is_told_and_the_rest_collected(folder: Path) -> None:
    (folder / "src/bad.py").write_text("secret = (")
    (folder / "src/gone.py").symlink_to("nowhere.py")
    result = run("src")
    assert result.exit_code == 1
    assert "src/bad.py:1: is not Python\n" in result.stderr
    assert "src/gone.py:1: can't be read: No such file or directory\n" in result.stderr
    assert "secret" not in result.output
    assert len(read(result.stdout)) == 3


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["src", "--policy", "src"]])
def test_a_wrong_call_exits_with_2(folder: Path, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
