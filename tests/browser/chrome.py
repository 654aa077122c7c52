"""The system's chromium, driven through pages as a person's phone or desktop would show them.

    with chrome.open_page(url, device=PHONE, scheme="dark", javascript=False) as page:
        page.get_by_label("Very bad").check()
        screenshot(page, "survey-phone-dark")

`page` is Playwright's own page. Leaving the block fails when the page logged an error, raised one, or asked another
machine for anything.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Playwright

CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}

#: How long a page may take for one step, in milliseconds. Everything is on this machine.
PATIENCE = 10_000

FLAGS = [
    "--no-sandbox",  # containers and root have no user namespaces
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
LOOPBACK = re.compile(r"(https?|wss?)://(localhost|127\.0\.0\.1)(:\d+)?(/|$)|(about|data|blob):")


class Chrome:
    """One running chromium. Every page has a profile of its own: no cookie outlives it."""

    def __init__(self, browser: Browser):
        self._browser = browser

    @contextmanager
    def open_page(
        self,
        url: str,
        *,
        device: dict[str, Any] = PHONE,
        scheme: Literal["light", "dark"] = "light",
        javascript: bool = True,
        locale: str = "en-GB",
        zone: str = "UTC",
        errors_expected: bool = False,
    ) -> Iterator[Page]:
        """Opens `url` and yields the page; `errors_expected` where a walk is about a refusal: the console logs it."""
        context = self._browser.new_context(
            **device, color_scheme=scheme, java_script_enabled=javascript, locale=locale, timezone_id=zone
        )
        context.set_default_timeout(PATIENCE)
        try:
            page = context.new_page()
            errors, strangers = _watch(page)
            page.goto(url)
            yield page
            assert strangers == [], "the page asked another machine"
            assert errors_expected or errors == [], "the page is at fault"
        finally:
            context.close()


def start(playwright: Playwright) -> Browser:
    """Starts chromium, or fails with what to do: a walk that is skipped proves nothing."""
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing. `make test` installs it; or: apt-get install chromium", pytrace=False)
    return playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)


def screenshot(page: Page, name: str) -> Path:
    """Keeps the whole page, as long as it scrolls, as build/screenshots/<name>.png."""
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True, animations="disabled")
    return path


def scrolls_sideways(page: Page) -> bool:
    """Whether something is wider than the screen; needs no script of the page."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def _watch(page: Page) -> tuple[list[str], list[str]]:
    errors: list[str] = []
    strangers: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: None if LOOPBACK.match(request.url) else strangers.append(request.url))
    return errors, strangers
