"""Accessibility, by axe-core with all its rules: every mail and page of customers, every language, light and dark."""

from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe

from chalicelib.journey.documents import LANGUAGES
from tests.browser.chrome import PHONE
from tests.words import specimens
from tests.words.specimens import KINDS
from tests.words.walk import Walk

pytestmark = pytest.mark.slow
SCHEMES = ("light", "dark")
BRANDS = specimens.brands()


#: Rules about a whole document. A mail is shown inside one, that of a mail program, which has landmarks and a heading.
NOT_OF_A_MAIL = ("landmark-one-main", "region", "page-has-heading-one")


def _wrong(page, without=()):
    """What axe finds at fault: the rule, and where."""
    found = Axe().run(page, options={"rules": {rule: {"enabled": False} for rule in without}}).response["violations"]
    return [(one["id"], node["html"][:200], node["failureSummary"]) for one in found for node in one["nodes"]]


@pytest.fixture(scope="module")
def pages(chrome):
    """One blank page for each colour scheme: it takes whatever is to be looked at."""
    with (
        chrome.open_page("about:blank", device=PHONE, scheme="light") as light,
        chrome.open_page("about:blank", device=PHONE, scheme="dark") as dark,
    ):
        yield {"light": light, "dark": dark}


@pytest.mark.parametrize(("kind", "language"), list(product(KINDS, LANGUAGES)))
def test_axe_finds_nothing_in_a_mail(kind, language, pages):
    # Other brands have the same blocks: that each of them passes is looked at in one language.
    for brand in ("plain", "no phone", "long name") if language == "en" else ("plain",):
        known = specimens.documents(BRANDS[brand])
        body, _ = specimens.write(kind, specimens.journey(), specimens.person(language), known)
        for scheme in SCHEMES:
            pages[scheme].set_content(body.html)
            assert _wrong(pages[scheme], NOT_OF_A_MAIL) == [], (brand, scheme)


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_on_a_page(language, pages):
    for seen in Walk(language).everywhere():
        for scheme in SCHEMES:
            pages[scheme].set_content(seen.html)
            assert (seen.name, scheme, _wrong(pages[scheme])) == (seen.name, scheme, [])


def test_axe_finds_what_is_at_fault(pages):
    pages["light"].set_content('<!doctype html><html lang="en"><title>t</title><main><h1>t</h1><img src="">')
    assert [rule for rule, *_ in _wrong(pages["light"])] == ["image-alt"]
