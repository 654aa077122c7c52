"""The console as staff meet it: signing in by the mail in the demo's mailbox, the shell, the keyboard, axe."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.chrome import DESKTOP, PHONE, scrolls_sideways
from tests.local.site import serving

ROOMS = ("", "/me", "/audit", "/keys")


@pytest.fixture
def site():
    with serving() as client:
        yield client


def _faults(page):
    """What axe finds at fault: the rule, and where."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], node["target"]) for one in found for node in one["nodes"]]


def _sign_in(page, site, address="ines.okafor@staff.example.com"):
    """As a member of staff does: ask, look into the mailbox, follow the link, press the button."""
    page.goto(f"{site.url}/console")
    page.get_by_label("Your mail address at work").fill(address)
    page.get_by_role("button", name="Mail me a link").click()
    page.goto(f"{site.url}/_local/mail")
    page.locator("main .list a").first.click()
    with page.expect_navigation():
        page.frame_locator("iframe").get_by_role("link", name="Sign in").click()
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/console")


@pytest.mark.parametrize(
    ("device", "javascript"),
    [(PHONE, True), (PHONE, False), (DESKTOP, True)],
    ids=["phone", "phone without scripts", "desktop"],
)
def test_staff_sign_in_by_mail_work_and_sign_out(chrome, site, device, javascript):
    with chrome.open_page(f"{site.url}/console", device=device, javascript=javascript) as page:
        _sign_in(page, site)
        assert page.get_by_role("link", name="Ines Okafor").count() == 1
        page.get_by_role("link", name="API keys").click()
        page.get_by_label("What it is for").fill("The shop")
        page.get_by_role("button", name="Make the key").click()
        assert page.get_by_label("The new key").input_value().startswith("aftercare.")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Revoke The shop").first.click()
        assert "is revoked" in page.get_by_role("status").inner_text()
        page.get_by_role("button", name="Sign out").click()
        assert page.get_by_role("button", name="Mail me a link").count() == 1
        page.goto(f"{site.url}/console/keys")
        assert page.get_by_role("heading", level=1).inner_text() == "Sign in"


def test_a_visitor_of_the_demo_is_signed_in_by_one_press_and_stays_so_when_the_clock_moves(chrome, site):
    with chrome.open_page(f"{site.url}/_local/") as page:
        page.get_by_role("button", name="Samir Haddad, lead").click()
        assert page.get_by_role("link", name="Samir Haddad").count() == 1
        page.goto(f"{site.url}/_local/clock")
        page.get_by_role("button", name="+ a day").first.click()
        page.goto(f"{site.url}/console/audit")
        assert page.get_by_role("heading", level=1).inner_text() == "Audit"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_in_the_shell_and_nothing_scrolls_sideways(chrome, site, device, scheme):
    with chrome.open_page(f"{site.url}/console/sign-in", device=device, scheme=scheme) as page:
        found = {"/sign-in": _faults(page)}
        _sign_in(page, site)
        for room in ROOMS:
            page.goto(f"{site.url}/console{room}")
            found[room] = _faults(page)
            assert not scrolls_sideways(page)
        assert {room: faults for room, faults in found.items() if faults} == {}


def test_the_keyboard_goes_everywhere(chrome, site):
    with chrome.open_page(f"{site.url}/console", device=DESKTOP) as page:
        _sign_in(page, site)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        with page.expect_navigation():
            page.keyboard.press("g")
            page.keyboard.press("a")
        assert page.url == f"{site.url}/console/audit"
        page.keyboard.press("j")
        assert page.locator("tr.at").count() == 1
        page.keyboard.press("?")
        assert page.get_by_role("dialog", name="Keyboard").is_visible()
        page.get_by_label("Single keys do this").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("t")
        assert page.url == f"{site.url}/console/audit", "keys can be turned off (WCAG 2.1.4)"
