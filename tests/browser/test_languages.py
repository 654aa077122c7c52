"""The answer page in other languages: switched without a script, by keyboard alone, whole on the smallest screen."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from chalicelib.journey.documents import LANGUAGES
from tests.browser.chrome import PHONE, scrolls_sideways
from tests.local.site import serving
from tests.words import specimens
from tests.words.walk import Walk

#: WCAG 2.2, 1.4.10: nothing is wider than this many CSS pixels.
NARROW = {"viewport": {"width": 320, "height": 640}}
WORDS = "Nobody called back."


@pytest.fixture
def surveyed():
    """A customer of each test has a survey; returns the site and the address of its page."""
    with serving(datetime(2026, 5, 5, 14, tzinfo=UTC)) as site:

        def survey(**customer):
            assert site.resolve("A-1", **customer).status == 200
            site.move(to=(site.stack.clock.now + timedelta(days=2)).isoformat())
            mail = message_from_bytes(site.stack.account.ses.sent[-1].raw, policy=policy.default)
            text = mail.get_body(("plain",)).get_content()
            return site, site.url + re.search(r"https?://[^/\s]+(/a/[^\s?]+)", text)[1]

        yield survey


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
def test_a_form_that_is_half_filled_in_is_switched_to_arabic_and_sent(chrome, surveyed, javascript):
    site, page_of = surveyed(locale="en")
    with chrome.open_page(page_of, device=PHONE, javascript=javascript) as page:
        page.get_by_label("2: Unhappy").check(force=True)
        page.locator("[name=words]").fill(WORDS)
        page.get_by_role("button", name="العربية").click()
        assert (page.locator("html").get_attribute("lang"), page.locator("html").get_attribute("dir")) == ("ar", "rtl")
        assert page.locator("[name=csat]:checked").get_attribute("value") == "2"
        assert page.locator("[name=words]").input_value() == WORDS
        site.move(to=(site.stack.clock.now + timedelta(minutes=1)).isoformat())
        page.get_by_role("button", name="إرسال").click()
        assert page.get_by_role("heading").first.inner_text().startswith("نشكركم على إبلاغنا")


@pytest.mark.parametrize(("locale", "send"), [("de", "Senden"), ("ar", "إرسال")])
def test_the_answer_page_is_answered_by_keyboard_alone(chrome, surveyed, locale, send):
    site, page_of = surveyed(locale=locale)
    with chrome.open_page(page_of, device=PHONE) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "csat"
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "words"
        page.keyboard.type(WORDS)
        while page.evaluate("document.activeElement.innerText || ''") != send:
            page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        site.move(to=(site.stack.clock.now + timedelta(minutes=1)).isoformat())
        page.keyboard.press("Enter")
        page.wait_for_function("!document.querySelector('form')")
        assert (outline, page.locator("html").get_attribute("lang")) == ("solid", locale)


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_wider_than_the_narrowest_screen(chrome, language):
    mails = [
        (kind, specimens.write(kind, specimens.journey(), specimens.person(language), specimens.documents())[0].html)
        for kind in specimens.KINDS
    ]
    shown = [*mails, *((seen.name, seen.html) for seen in Walk(language).everywhere())]
    with chrome.open_page("about:blank", device=NARROW) as page:
        for name, html in shown:
            page.set_content(html)
            assert (name, scrolls_sideways(page)) == (name, False)
