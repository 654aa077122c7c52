"""Takes the pictures of the docs: ``python -m tests.browser.pictures``, into docs/pictures/.

Those of the README come from the demo itself, the contact sheets from the specimens that the tests use. The name of one
language is Japanese, which Debian shows with ``apt-get install fonts-ipafont-gothic``.
"""

import dataclasses
import threading
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace
from playwright.sync_api import sync_playwright

from local import demo, inputs, sample
from local.server import Server
from local.site import Site
from tests.browser import sheets
from tests.browser.chrome import DESKTOP, PHONE, Chrome, start
from tests.browser.sheets import Shot
from tests.words import specimens
from tests.words.walk import Walk

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
#: A README is read over slow lines too.
LARGEST = 200_000
#: The rooms of the console stand together on one page of the docs.
LARGEST_ROOM = 150_000
WORDS = "Three weeks, four calls, and each time I was told that it is “on its way”. Nobody ever called back."


SUBJECTS = {"en": "A delivery that never came", "ar": "طلبية لم تصل"}
NAMES = {"en": "Ada", "ar": "ليلى"}
ACTION = "A courier brings a new one tomorrow before noon, and the old order costs you nothing."


@contextmanager
def running_demo():
    """The demo as `make demo` opens it, with one case more."""
    given = inputs.read(*(demo.HISTORIES / f"{name}.csv" for name in ("cases", "answers", "staff", "purchases")))
    begins = sample.begin(given)
    with Server(0) as server:
        stack = demo.load(sample.choose(given, begins, demo.PEOPLE), begins, server.url)
        server.site = Site(stack)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def keep(page, name, largest=LARGEST):
    """Keep what the screen shows."""
    path = PICTURES / f"{name}.png"
    page.evaluate("document.activeElement && document.activeElement.blur()")
    page.screenshot(path=path, animations="disabled", caret="hide")
    size = path.stat().st_size
    assert size < largest, f"{path} has {size} bytes"
    print(f"{path.relative_to(PICTURES.parents[1])}: {size // 1000} KB")  # noqa: T201 - a command line prints


def newest(page, url, kind):
    """Open the newest mail of a kind as its reader's mail program shows it; returns its address."""
    page.goto(f"{url}/_local/mail?kind={kind}")
    page.goto(page.locator("main .list a").first.evaluate("link => link.href") + "/html")


def on_a_phone(page, url):
    """A customer of the demo is asked, and answers badly."""
    page.get_by_label("First name").fill("Ada")
    page.get_by_label("Mail address").fill("ada@example.com")
    page.get_by_label("What the case was about").fill("A delivery that never came")
    page.get_by_role("button", name="A case was resolved").click()
    page.get_by_role("button", name="+ a day").click()
    newest(page, url, "survey")
    keep(page, "survey-mail-phone")
    page.get_by_role("link", name="2: Unhappy").click()
    page.locator("[name=words]").fill(WORDS)
    keep(page, "answer-page-phone")
    page.get_by_role("button", name="Send").click()
    keep(page, "thanks-phone")


def on_a_desktop(page, url):
    """The owner of the recovery gets to work."""
    keep(page, "local-desktop")
    newest(page, url, "staff-notice")
    page.get_by_role("link", name="Open the recovery").click()
    page.get_by_role("button", name="Take it").click()
    keep(page, "recovery-desktop")


def rooms(page, url):
    """A lead signs in on the demo's start page and goes through the rooms; yields each name while the page shows it."""
    page.get_by_role("button", name="Samir Haddad, lead").click()
    page.wait_for_url(f"{url}/console")
    yield "today"
    # The recovery of the customer who answered badly in the pictures before.
    page.goto(f"{url}/console/search?q=ada@example.com")
    page.locator("main tr.row a").first.click()
    yield "journey"
    page.locator(".head .acts a").click()
    yield "person"
    for name, path in (("figures", "figures"), ("documents", "documents/cadence"), ("failure", "failures/new")):
        page.goto(f"{url}/console/{path}")
        if name == "failure":
            page.get_by_label("What they said").fill("An hour in the queue, and then the counter closed.")
            page.get_by_label("First name").fill("Lee")
            page.locator("summary", has_text="A gesture on the spot").click()
            page.get_by_label("Amount").fill("15")
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        yield name


def rooms_on_a_desktop(page, url):
    """Keep each room."""
    for name in rooms(page, url):
        keep(page, f"console-{name}", LARGEST_ROOM)


def rooms_on_a_phone(browser, chrome, url):
    """Keep four rooms side by side."""
    device = {**PHONE, "viewport": {"width": 390, "height": 760}, "device_scale_factor": sheets.SCALE}
    with chrome.open_page(f"{url}/_local/", device=device) as page:
        taken = {name: page.screenshot(animations="disabled", caret="hide") for name in rooms(page, url)}
    path = PICTURES / "console-phone.png"
    shown = [taken[name] for name in ("today", "journey", "person", "failure")]
    size = sheets.compose(browser, shown, path, LARGEST_ROOM)
    print(f"{path.relative_to(PICTURES.parents[1])}: {size // 1000} KB")  # noqa: T201 - a command line prints


def mail(kind, language="en"):
    """A mail of that kind as HTML."""
    told = specimens.journey(SUBJECTS[language], WORDS)
    proposals = tuple(replace(one, action=ACTION) for one in told.recoveries[0].proposals)
    told = replace(told, recoveries=(replace(told.recoveries[0], proposals=proposals),))
    reader = specimens.person(language, NAMES[language])
    return specimens.write(kind, told, reader, specimens.documents())[0].html


def walked():
    """Every page in each of its states, in English and Arabic."""
    return {language: _seen(Walk(language, None, SUBJECTS[language], NAMES[language])) for language in ("en", "ar")}


def gallery(browser, pages):
    """Every mail and every page, a sheet each: phone light, dark and Arabic, desktop light and Arabic in the dark."""
    shown = {sheets.of_mail(kind): (mail(kind), mail(kind, "ar")) for kind in specimens.KINDS}
    shown |= {sheets.of_page(name): (html, pages["ar"][name]) for name, html in pages["en"].items()}
    sheets.GALLERY.mkdir(exist_ok=True)
    for name, (english, arabic) in shown.items():
        looks = [Shot(english), Shot(english, "dark"), Shot(arabic), Shot(english, viewport=sheets.DESKTOP)]
        looks = [dataclasses.replace(look, whole=True) for look in (*looks, Shot(arabic, "dark", sheets.DESKTOP))]
        path = sheets.GALLERY / f"{name}.png"
        size = sheets.draw(browser, looks, sheets.PHONE, path, sheets.SMALL, sheets.LARGEST_WHOLE)
        print(f"{name}: {size // 1000} KB")  # noqa: T201 - a command line prints
    (PICTURES.parent / "gallery.md").write_text(sheets.page(shown), encoding="utf-8")


def contact_sheets(browser, pages):
    """Mails and pages side by side: light, dark, in Arabic, on a phone and a desktop."""
    english, arabic, marked = pages["en"], pages["ar"], "survey, a low rating marked"
    mails = [Shot(mail("survey")), Shot(mail("acknowledgement")), Shot(mail("proposal"), "dark")]
    drawn = {
        "mails-phone": (sheets.PHONE, [*mails, Shot(mail("check-in", "ar"))]),
        "pages-phone": (
            sheets.PHONE,
            [
                Shot(english[marked]),
                Shot(english["proposal"], "dark"),
                Shot(english["thanks for a bad answer"]),
                Shot(arabic[marked]),
            ],
        ),
        "desktop": (
            sheets.DESKTOP,
            [Shot(mail("reminder")), Shot(mail("thank-you"), "dark"), Shot(arabic["opting out"])],
        ),
    }
    for name, (viewport, shots) in drawn.items():
        path = PICTURES / f"{name}.png"
        size = sheets.draw(browser, shots, viewport, path)
        print(f"{path.relative_to(PICTURES.parents[1])}: {size // 1000} KB")  # noqa: T201 - a command line prints


def _seen(walk):
    return {seen.name: seen.html for seen in walk.everywhere()}


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = start(playwright)
        # Before the demo starts: a process has one deployment at a time.
        pages = walked()
        contact_sheets(browser, pages)
        gallery(browser, pages)
        browser.close()
    with sync_playwright() as playwright, running_demo() as url:
        browser = start(playwright)
        chrome = Chrome(browser)
        with chrome.open_page(f"{url}/_local/", device=PHONE) as page:
            on_a_phone(page, url)
        with chrome.open_page(f"{url}/_local/", device=DESKTOP) as page:
            on_a_desktop(page, url)
        with chrome.open_page(f"{url}/_local/", device=DESKTOP) as page:
            rooms_on_a_desktop(page, url)
        rooms_on_a_phone(browser, chrome, url)
        browser.close()


if __name__ == "__main__":
    main()
