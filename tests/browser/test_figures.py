"""The page of the figures as staff meet it: drawings with the table behind them, whole on a phone, axe."""

from datetime import timedelta

import pytest

from chalicelib.journey.tally import Tally
from chalicelib.store.figures import entry_item
from tests.browser.chrome import DESKTOP, PHONE, scrolls_sideways
from tests.browser.test_console import _faults
from tests.local.site import serving


@pytest.fixture
def site():
    with serving() as client:
        stack, last = client.stack, client.stack.clock.now.date()
        for number in range(40):
            day = (last - timedelta(days=number % 25)).isoformat()
            counts = {
                "begun": 3,
                "sent/survey": 3,
                "answered/survey": 2,
                "score/survey/csat/5": 1,
                "score/survey/csat/2": 1,
            }
            more = {
                "negative": 1,
                "recovered": 1,
                "opened/P2": 1,
                "step/take/on_time": 1,
                "score/check-in:loyalty/nps/9": 1,
            }
            change = Tally("Support, north", f"category {number % 3}", "mail", {day: counts | more})
            item = entry_item(f"J#{number}", "x", stack.clock.now, change)
            stack.account.dynamodb.put_item(TableName=stack.environment["TABLE"], Item=item)
        stack.run_until(stack.clock.now + timedelta(hours=1))
        yield client


def _enter(page, site):
    page.goto(f"{site.url}/_local/")
    page.get_by_role("button", name="Samir Haddad, lead").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(chrome, site, device, scheme):
    found = {}
    with chrome.open_page(f"{site.url}/_local/", device=device, scheme=scheme) as page:
        _enter(page, site)
        for by in ("day", "category"):
            page.goto(f"{site.url}/console/figures?by={by}")
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            found[by] = _faults(page)
            assert not scrolls_sideways(page)
        assert page.locator("table.figures tbody tr").count() == 3
    assert found == {"day": [], "category": []}


def test_without_scripts_the_form_asks_and_a_group_leads_to_its_days(chrome, site):
    with chrome.open_page(f"{site.url}/_local/", device=PHONE, javascript=False) as page:
        _enter(page, site)
        page.goto(f"{site.url}/console/figures")
        assert page.get_by_role("img", name="Surveys, by day").is_visible()
        page.get_by_label("By", exact=True).select_option("team")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="Support, north").click()
        assert "only=team%3ASupport" in page.url
        assert page.get_by_role("img", name="Response, by day").is_visible()
        page.get_by_text("The table behind it").click()
        assert page.get_by_role("table", name="By day").is_visible()
