"""What the pages show as a configuration is one, what they name as a command is there, their Python runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import pytest
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent, TrackEventRequest
from kannelle_privacy import Gateway, Refused

from gateway.cli.root import main
from gateway.config import Config, load
from gateway.listeners import MAX_LOCAL_CALLS
from gateway.receivers import bounds, health
from gateway.receivers.health import MAX_PROBES, MAX_WATCHERS
from gateway.receivers.incoming import MESSAGE_SECONDS, SILENCE_SECONDS

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
KEYS: Final = frozenset(Config.__struct_fields__)


def configurations() -> Iterator[tuple[str, str]]:
    """Blocks whose keys are a configuration's: the page and the line, and the block."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"(?s)^```yaml\n(.*?)^```", text, re.MULTILINE):
            keys = set(re.findall(r"(?m)^(\w+):", block[1]))
            if keys and keys <= KEYS:
                yield f"{page.name}:{text.count(chr(10), 0, block.start()) + 2}", block[1]


@pytest.mark.parametrize(("place", "block"), [pytest.param(*found, id=found[0]) for found in configurations()])
def test_a_configuration_of_the_pages_loads(place: str, block: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(block)
    assert isinstance(load(tmp_path / "gateway.yaml", {}), Config), place


def test_the_pages_have_some() -> None:
    assert {place.partition(":")[0] for place, _ in configurations()} >= {"README.md", "operator.md", "delivery.md"}


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """A shell in an empty folder, where the installed command is found and nothing else of the repository."""
    (tmp_path / "empty").mkdir()
    programs = Path(sys.executable).parent
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(script: str) -> subprocess.CompletedProcess[str]:
        command = ("sh", "-eu", "-c", script)
        return subprocess.run(
            command, cwd=tmp_path / "empty", env=environ, capture_output=True, text=True, check=False, timeout=120
        )

    return run


def test_the_lines_for_a_newcomer_lead_to_a_checked_policy_in_an_empty_folder(
    shell: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## A first policy\n")[2].partition("\n## ")[0]
    )
    script = section.partition("```sh\n")[2].partition("```")[0]
    outside = re.sub(r"(?s)<<'PROTO'\n.*?\nPROTO\n", "\n", script).replace("|\n", "| ")
    assert len([line for line in outside.splitlines() if line.strip()]) <= 10
    done = shell(script)
    assert done.returncode == 0, done.stderr
    printed, brace, last = done.stdout.partition("\n{\n")
    shown = re.search(r"prints what is left, `(.*?)`", section)
    assert shown is not None
    assert json.loads(brace + last) == json.loads(shown[1])
    assert "1 field without annotation won't leave" in printed
    assert "acme.v1.Signup.full_name: warning: has no category, so it goes nowhere" in printed
    assert json.loads(done.stderr[done.stderr.index("{") :])["outcome"] == "released"
    assert "Ada" not in done.stdout + done.stderr


def test_the_operators_page_names_the_bounds_of_the_code() -> None:
    limits = (ROOT / "docs" / "operator.md").read_text().partition("## Limits")[2].partition("\n## ")[0]
    for bound in (
        f"{MAX_LOCAL_CALLS} on `local`",
        f"{MESSAGE_SECONDS:.0f} seconds from its headers",
        f"{SILENCE_SECONDS:.0f} seconds of silence",
        f"{MAX_PROBES} probes and {MAX_WATCHERS} watchers",
        f"{health.MAX_CONNECTIONS} connections, ended after {health.MAX_IDLE_MS // 1000} seconds",
        f"| {bounds.MAX_CONNECTIONS:,}, each with {bounds.MAX_OPEN_CALLS:,} calls open",
        "ended after five minutes without a call, asked every minute",
    ):
        assert bound in limits
    assert (bounds.MAX_IDLE_MS, bounds.KEEPALIVE_MS, bounds.HANDSHAKE_MS) == (5 * 60_000, 60_000, 10_000)


def test_the_pages_name_only_commands_that_there_are() -> None:
    known = {" ".join(path) for path in commands(main, ())}
    named = {
        (page, words)
        for page in PAGES
        for words in re.findall(r"privacy-gateway ([a-z]+(?: [a-z-]+)?)", page.read_text())
    }
    unknown = {(page.name, words) for page, words in named if not {words, words.split()[0]} & known}
    assert not unknown


def commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The commands of a group and of the groups in it; of a group with commands, the group itself is none."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def test_the_client_s_page_shows_a_test_that_passes() -> None:
    page = (ROOT / "clients" / "python" / "README.md").read_text(encoding="utf-8").partition("## Testing a service")[2]
    refused = list[str]()

    def export_video(gateway: Gateway) -> None:
        try:
            gateway.analytics.TrackEvent(TrackEventRequest(event=AnalyticsEvent(name="video.exported")))
        except Refused as error:
            refused.append(error.reason)

    block = re.search(r"(?s)```python\n(.*?)```", page)
    assert block
    exec(block[1], {"export_video": export_video})
    assert refused == ["EVENT_NOT_PLANNED"]
