"""Pictures of a terminal for the documentation: the real program's output, drawn by a browser."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops_tests import builders, needs
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes import backup_days

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ERASED = "\x1b[2K"
"""The last thing a progress bar writes."""
PAGE = """<style>
body { margin: 0; background: #0c0c0c; }
pre { font: 14px/1.3 'DejaVu Sans Mono', monospace; color: #d9d9d9; display: inline-block; margin: 0;
  padding: 14px 16px; min-width: COLUMNSch; }
</style><pre>CODE</pre>"""


@pytest.fixture
def shell(root: Path) -> Shell:
    """A shell whose dev has three eventful weeks behind it, and whose newest backup of prod is bad."""
    now = clock.now()
    backup_days.add_days(builders.env(root), now - timedelta(hours=5), 24, backup_days.mixed_day)
    prod = builders.env(root, environment=Environment.PROD)
    backup_days.add_days(prod, now - timedelta(hours=28), 30, backup_days.proven_day)
    backup_days.add_backup(prod, now - timedelta(hours=4), rung=Rung.HASHED, verdict=Verdict.BAD)
    return Shell(root)


def as_html(written: str, columns: int) -> str:
    """What a terminal of so many columns shows in the end, with its colours."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(
        Text.from_ansi(written.rpartition(ERASED)[2].replace("\r\n", "\n").rstrip()), soft_wrap=True
    )
    code = console.export_html(theme=MONOKAI, inline_styles=True, code_format="{code}")
    return PAGE.replace("COLUMNS", str(columns)).replace("CODE", code)


def test_the_status_at_80_and_100_columns_with_and_without_colours(shell: Shell, pictures: Path) -> None:
    chromium = needs.program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for columns in (80, 100):
            for plain in (False, True):
                said = shell.at_a_terminal("status", columns=columns, **({"NO_COLOR": "1"} if plain else {}))
                assert "CRITICAL: " in said.out
                page = browser.new_page(viewport={"width": 1100, "height": 300})
                page.set_content(as_html(said.out, columns))
                file = pictures / f"status-{columns}{'-plain' if plain else ''}.png"
                page.locator("pre").screenshot(path=file)
                page.close()
                assert 10_000 < file.stat().st_size < 400_000
        browser.close()
