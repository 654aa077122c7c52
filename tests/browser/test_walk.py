"""The whole way of one unhappy customer, through the pages of the demo: asked, heard, put right."""

import re
from datetime import UTC, datetime

import pytest

from tests.browser.chrome import DESKTOP, PHONE, scrolls_sideways
from tests.local.site import serving

WORDS = "Nobody called back, and the parcel is still “on its way”."
LETTER = "I am sorry, Ada. You waited three weeks, and nobody told you why. That was our fault.\n\nAna"
PLAN = "We send a new parcel by courier today, at our cost."


@pytest.fixture
def site():
    with serving(datetime(2026, 5, 5, 14, tzinfo=UTC)) as client:
        assert client.resolve("A-1").status == 200
        yield client


def _stage(site):
    (journey,) = site.get("/_local/journeys").json
    return journey["stage"]


def _open_newest(page, site, kind):
    """Find the newest mail of a kind in the mailbox, as a visitor would; returns the frame that shows it."""
    page.goto(f"{site.url}/_local/mail")
    page.get_by_label("Kind").select_option(kind)
    page.get_by_role("button", name="Show").click()
    page.locator("main .list a").first.click()
    return page.frame_locator("iframe")


def _click_in_mail(page, link):
    """Follow a link of a mail: it opens in the whole window, not in the frame."""
    with page.expect_navigation():
        link.click()


@pytest.mark.parametrize(
    ("device", "javascript"),
    [(PHONE, True), (PHONE, False), (DESKTOP, True)],
    ids=["phone", "phone without scripts", "desktop"],
)
def test_an_unhappy_customer_is_asked_heard_and_put_right(chrome, site, device, javascript):
    with chrome.open_page(f"{site.url}/_local/", device=device, javascript=javascript) as page:
        page.get_by_role("button", name="+ a day").click()
        assert "one mail was sent: 1 survey" in page.get_by_role("status").inner_text()

        mail = _open_newest(page, site, "survey")
        _click_in_mail(page, mail.get_by_role("link", name="2: Unhappy"))
        assert page.locator("[name=csat]:checked").get_attribute("value") == "2"
        assert page.locator("input:checked").count() == 1
        assert _stage(site) == "asked", "opening the link records nothing"
        page.locator("[name=words]").fill(WORDS)
        page.get_by_role("button", name="Send").click()

        thanks = page.locator("main").inner_text()
        assert "Ana Duarte" in thanks
        assert re.search(r"\w+day \d+ May, \d\d:\d\d \(New York time\)", thanks)
        assert not scrolls_sideways(page)
        assert _stage(site) == "recovering"

        mail = _open_newest(page, site, "acknowledgement")
        assert WORDS in mail.locator("blockquote").inner_text()

        mail = _open_newest(page, site, "staff-notice")
        assert WORDS in mail.locator("blockquote").inner_text()
        _click_in_mail(page, mail.get_by_role("link", name="Open the recovery"))
        _work(page)
        assert not scrolls_sideways(page)

        mail = _open_newest(page, site, "apology")
        assert "That was our fault." in mail.locator("body").inner_text()

        mail = _open_newest(page, site, "proposal")
        assert PLAN in mail.locator("body").inner_text()
        _click_in_mail(page, mail.get_by_role("link", name=re.compile("meets", re.IGNORECASE)).first)
        assert page.locator("[name=choice]:checked").get_attribute("value") == "meets"
        assert _recovery(site)["proposals"][0].get("word") is None, "opening the link says nothing"
        page.get_by_role("button", name=re.compile("Send")).click()
        assert "Thank you" in page.locator("main").inner_text()
        assert _recovery(site)["proposals"][0]["word"] == "meets"

        page.goto(f"{site.url}/_local/journeys")
        page.locator("main .list a").first.click()
        told = page.locator("main").inner_text()
        assert "Ada said of proposal 1: it meets what they expected" in told
        assert not scrolls_sideways(page)
    assert site.stack.failures == []


def _work(page):
    """Take the recovery, apologise in writing, and propose."""
    page.get_by_role("button", name="Take it").click()
    assert "You are the owner." in page.get_by_role("status").inner_text()
    page.get_by_label("Your letter").fill(LETTER)
    page.get_by_role("button", name="Apologise in person").click()
    page.get_by_label("What we will do").fill(PLAN)
    page.get_by_label("Done by").fill("2026-05-08")
    page.get_by_role("button", name="Propose how to put it right").click()
    assert "Your proposal is on its way." in page.get_by_role("status").inner_text()


def _recovery(site):
    (journey,) = site.get("/_local/journeys").json
    return site.get(f"/_local/journeys/{journey['journey_id']}").json["recoveries"][0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_local_page_scrolls_sideways(chrome, site, device, scheme):
    site.move(advance="P1D")
    mail, journey = site.get("/_local/mail").json[0]["id"], site.get("/_local/journeys").json[0]["journey_id"]
    paths = ["", "mail", f"mail/{mail}", f"mail/{mail}?view=text", f"mail/{mail}?view=source"]
    paths += ["journeys", f"journeys/{journey}", "clock"]
    with chrome.open_page(f"{site.url}/_local/", device=device, scheme=scheme) as page:
        wide = [path for path in paths if page.goto(f"{site.url}/_local/{path}") and scrolls_sideways(page)]
    assert wide == []
