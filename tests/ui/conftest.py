"""A real Chromium for the pages; without one these tests say so and are skipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, driven by playwright; nothing is downloaded."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium fonts-noto-cjk, then run again")
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install --group ui")
    with sync_api.sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield running
        running.close()


class Opened:
    """A page and everything it did that a report must not do."""

    def __init__(self, page):
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def _heard(self, said) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def outside(self) -> list[str]:
        """Requests that left the page: all but the file itself and what the page made in memory."""
        return [url for url in self.requests[1:] if not url.startswith(("blob:", "data:"))]

    def broken(self) -> list[str]:
        return self.page.locator(".broken").all_text_contents()


@pytest.fixture
def open_report(browser):
    """Open a file with the network off and wait until its pictures are drawn."""
    pages = []

    def opener(path: Path, *, width: int = 1000, theme: str = "light") -> Opened:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        pages.append(page)
        page.context.set_offline(True)
        opened = Opened(page)
        page.goto(path.resolve().as_uri())
        page.wait_for_selector(".heedful[data-ready]", timeout=60_000)
        return opened

    yield opener
    for page in pages:
        page.close()
