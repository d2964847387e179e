"""The web page in a real browser: its fixtures, which conftest.py offers, and what a person does there."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from ledgerflow_ops_tests.e2e import web
from ledgerflow_ops_tests.e2e.commands import CommandResult, Shell

PATIENCE = 40_000
"""Milliseconds. The page waits for the servers, which are slow on a busy machine."""
ATTEMPTS = 3


@pytest.fixture(scope="module")
def backup(dev: Shell) -> CommandResult:
    """A proven backup of today."""
    said = dev.make("-s", "backup", "JSON=1", "WHY=for the pictures")
    assert said.code == 0, said.all
    return said


@pytest.fixture(scope="module")
def address(dev: Shell, backup: CommandResult) -> str:
    said = dev.make("-s", "up", "JSON=1")
    assert said.code == 0, said.all
    return str(said.json["address"])


@pytest.fixture(scope="module")
def session(browser: Browser, dev: Shell, address: str) -> StorageState:
    """What the browser keeps once it has opened the link that `make up` prints."""
    context = browser.new_context()
    found = context.new_page()
    assert found.goto(dev.make("-s", "up", "JSON=1").json["link"], timeout=PATIENCE)
    assert found.url == f"{address}/"
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def page(browser: Browser, address: str, session: StorageState) -> Iterator[Page]:
    """A page of the usual size. It may ask nobody but our own server."""
    found = browser.new_page(viewport={"width": 1400, "height": 900}, base_url=address, storage_state=session)
    found.set_default_timeout(PATIENCE)
    asked: list[str] = []
    found.on("request", lambda request: asked.append(request.url))
    yield found
    found.close()
    own = (address, address.replace("http:", "ws:"), "data:", "blob:")
    assert not [url for url in asked if not url.startswith(own)]


def seen(page: Page, text: str | re.Pattern[str]) -> Locator:
    """The first visible place with this text: the page has hidden twins of some."""
    return page.get_by_text(text).locator("visible=true").first


def opened(page: Page, path: str, text: str) -> None:
    """Go to a page and wait until it shows `text`; where it does not, load it again, as a person would."""
    page.goto(path)
    for _ in range(ATTEMPTS - 1):
        try:
            expect(seen(page, text)).to_be_visible(timeout=PATIENCE)
        except AssertionError:
            page.reload()
    expect(seen(page, text)).to_be_visible(timeout=PATIENCE)


def taken(page: Page, file: Path) -> None:
    """A picture of the page once nothing moves any more; not a large one."""
    page.wait_for_load_state("networkidle")
    page.mouse.move(700, 890)
    page.wait_for_timeout(500)
    page.screenshot(path=file, animations="disabled")
    assert 10_000 < file.stat().st_size < 400_000


def materializations(shell: Shell, address: str, *asset: str) -> list[str | None]:
    """The partitions of an asset's materializations, newest first, as the page itself asks for them."""
    query = "{assetOrError(assetKey:{path:%s}){... on Asset{assetMaterializations(limit:50){partition}}}}"
    found = web.asked(address, query % json.dumps(asset), shell.key())["assetOrError"]
    return [made["partition"] for made in found.get("assetMaterializations", [])]


def eventually(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until it holds, as long as the daemon may take for a run."""
    for _ in range(240):
        if holds():
            return
        page.wait_for_timeout(1000)
    raise AssertionError("it never came to hold")
