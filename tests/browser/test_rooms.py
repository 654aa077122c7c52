"""The rooms of the console in a browser: a failure is logged and its recovery under way within a minute (C34)."""

from datetime import date, timedelta
from time import monotonic

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.chrome import DESKTOP, PHONE, scrolls_sideways
from tests.local.site import serving

#: Seconds that a person has for it; the browser needs a few of them.
A_MINUTE = 60


@pytest.fixture
def site():
    with serving() as client:
        yield client


def _signed_in(page):
    page.get_by_role("button", name="Ines Okafor").click()
    page.wait_for_url("**/console")


def _log(page, site):
    """At the counter: who, what they said, and a gesture on the spot."""
    page.goto(f"{site.url}/console/failures/new")
    page.get_by_label("What they said").fill("An hour in the queue, and then you were closed.")
    page.get_by_label("First name").fill("Lee")
    page.get_by_label("Address").fill("lee@example.com")
    page.locator("summary", has_text="A gesture on the spot").click()
    page.get_by_label("Amount").fill("15")
    page.get_by_role("button", name="Log it").click()
    assert "the recovery is open" in page.get_by_role("status").inner_text()


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
def test_a_failure_is_acknowledged_apologised_for_paid_for_and_scheduled_within_a_minute(chrome, site, javascript):
    with chrome.open_page(f"{site.url}/_local/", device=DESKTOP, javascript=javascript) as page:
        _signed_in(page)
        began = monotonic()
        _log(page, site)
        screen = page.url
        page.get_by_role("button", name="Take it").click()
        page.get_by_label("Your letter").fill("Dear Lee, I am sorry: nobody should wait an hour.")
        page.locator("form.act button").first.click()
        page.get_by_label("What we will do").fill("We keep the counter open until the queue is served.")
        page.get_by_label("Done by").fill((date(2099, 1, 1) - timedelta(days=1)).isoformat())
        page.locator("form.act button").first.click()
        assert "Your proposal is on its way." in page.get_by_role("status").inner_text()
        assert (page.url, monotonic() - began < A_MINUTE) == (screen, True)
        assert "Goodwill 15.00 USD" in page.locator("main").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_in_the_rooms_and_nothing_scrolls_sideways(chrome, site, device, scheme):
    with chrome.open_page(f"{site.url}/_local/", device=device, scheme=scheme) as page:
        _signed_in(page)
        _log(page, site)
        journey = page.url
        person = page.locator(".head .acts a").first.evaluate("link => link.href")
        rooms = ("/console", "/console?who=me", "/console/journeys", "/console/people", "/console/search?q=nobody")
        found = {}
        for url in (journey, person, *(f"{site.url}{room}" for room in rooms)):
            page.goto(url)
            faults = Axe().run(page).response["violations"]
            found[url] = [(one["id"], node["target"]) for one in faults for node in one["nodes"]]
            assert not scrolls_sideways(page), url
        assert {url: faults for url, faults in found.items() if faults} == {}


LONG = "Wolfeschlegelsteinhausenbergerdorff" * 5


TABLET = {"viewport": {"width": 900, "height": 900}}


@pytest.mark.parametrize("device", [PHONE, TABLET, DESKTOP], ids=["phone", "tablet", "desktop"])
def test_a_name_without_end_and_one_from_right_to_left_break_no_list_and_no_word(chrome, site, device):
    with chrome.open_page(f"{site.url}/_local/", device=device) as page:
        _signed_in(page)
        for number, (first, last) in enumerate(((LONG, LONG), ("ليلى", "الحسن"))):
            page.goto(f"{site.url}/console/failures/new")
            page.get_by_label("What they said").fill("W" * 500)
            page.get_by_label("What it was about").fill(first)
            page.get_by_label("First name").fill(first)
            page.get_by_label("Last name").fill(last)
            page.get_by_label("Address").fill(f"{'a' * 60}{number}@{'b' * 60}.example.org")
            page.get_by_role("button", name="Log it").click()
            page.wait_for_url("**/console/journeys/*")
            journey = page.url
            person = page.locator(".head .acts a").first.evaluate("link => link.href")
            rooms = [f"{site.url}/console{room}" for room in ("", "/journeys", "/search?q=wolf", "/audit")]
            for url in (journey, person, *rooms):
                page.goto(url)
                assert not scrolls_sideways(page), url
        page.goto(journey)
        # A word that is shorter than its column is not cut in two.
        for word in ("acknowledgement", "delivered"):
            cell = page.locator("main td", has_text=word).first
            lines = cell.evaluate("""cell => {
                const range = document.createRange();
                range.selectNodeContents(cell);
                return new Set([...range.getClientRects()].map(one => Math.round(one.top))).size;
            }""")
            assert (word, lines) == (word, 1)


def test_the_list_of_today_is_walked_by_keyboard(chrome, site):
    with chrome.open_page(f"{site.url}/_local/", device=DESKTOP) as page:
        _signed_in(page)
        _log(page, site)
        page.goto(f"{site.url}/console")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/journeys/*")
        page.keyboard.press("g")
        page.keyboard.press("t")
        page.wait_for_url("**/console")
        page.keyboard.press("/")
        page.keyboard.type("lee@example.com")
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/people/*")
