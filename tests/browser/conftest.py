"""One chromium for all walks of a file."""

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chrome import Chrome, start

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def chrome():
    # Not of the session: while it runs, Playwright holds this thread's event loop, and tests elsewhere may want one.
    with sync_playwright() as playwright:
        browser = start(playwright)
        yield Chrome(browser)
        browser.close()
