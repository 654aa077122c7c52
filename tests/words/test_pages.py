"""Every page of customers in every language: found in the folder, reached as a customer reaches it."""

import re
from functools import cache

import pytest
from msgspec.structs import replace

from chalicelib.effects import rendering
from chalicelib.effects.words import NAMES
from chalicelib.journey.documents import LANGUAGES
from tests.browser import sheets
from tests.words import specimens
from tests.words.specimens import HOSTILE, KINDS, PAGES, Page
from tests.words.walk import Walk

#: Promise M6: what a page weighs on the wire, uncompressed.
LARGEST = 14 * 1024
#: Of staff, and in English only.
OF_STAFF = {"recovery"}


@cache
def walked(language):
    return tuple(Walk(language).everywhere())


def test_every_page_of_the_folder_is_on_the_way(monkeypatch):
    drawn, render = set(), rendering.page
    monkeypatch.setattr(rendering, "page", lambda name, *args: (drawn.add(name), render(name, *args))[1])
    Walk("en").everywhere()
    assert drawn == PAGES - OF_STAFF


def test_the_gallery_of_the_docs_shows_every_mail_and_every_page_in_each_of_its_states():
    names = {*map(sheets.of_mail, KINDS), *(sheets.of_page(seen.name) for seen in walked("en"))}
    assert {path.stem for path in sheets.GALLERY.iterdir()} == names, "python -m tests.browser.pictures draws them"
    shown = re.findall(r"\(pictures/gallery/(.+)\.png\)", (sheets.GALLERY.parents[1] / "gallery.md").read_text("utf-8"))
    assert sorted(shown) == sorted(names)


def test_the_gallery_shows_each_as_long_as_it_scrolls():
    heights = {path.stem: int.from_bytes(path.read_bytes()[20:24]) for path in sheets.GALLERY.iterdir()}
    by_height = sorted(("page-opted-out", "page-survey", "page-survey-nothing-chosen"), key=heights.__getitem__)
    assert by_height == ["page-opted-out", "page-survey", "page-survey-nothing-chosen"]
    assert heights["page-survey"] > sheets.PHONE["height"] * sheets.SMALL


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_is_small_whole_and_in_the_customers_language(language):
    direction = {"ar": "rtl"}.get(language, "ltr")
    for seen in walked(language):
        page = Page(seen.html)
        root = dict(page.tags)["html"]
        assert (seen.name, page.wrong, root["lang"], root["dir"]) == (seen.name, [], language, direction)
        assert re.findall(r"\{\{|\{%|%\(\w+\)s|\bNone\b", page.text) == [], seen.name
        too_much = len(seen.html.encode()) - seen.html.count("x" * 9_000) * 9_000
        assert too_much <= LARGEST, (seen.name, too_much)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_largest_survey_that_a_cadence_may_have_is_small_too(language):
    """Three items, the longest scales, a question as long as any that ships for each."""
    text = {"en": "How likely are you to recommend us to a friend?"}
    asked = [{"measure": measure, "text": text, "required": True} for measure in ("nps", "ces", "come_back")]
    walk = Walk(language, questions=asked)
    page = walk.press("largest", walk.stack.path("a"))
    assert (walk.seen[-1].status, len(page.encode()) <= LARGEST) == (422, True), len(page.encode())


def test_the_status_of_each_page_is_what_came_of_it():
    refused = {seen.name: seen.status for seen in walked("en") if seen.status != 200}
    assert refused == {
        "a link that does not work": 404,
        "survey, nothing chosen": 422,
        "survey, too much written": 422,
        "received": 202,
        "not sent": 503,
        "proposal, nothing chosen": 422,
    }


def test_no_text_of_a_page_was_forgotten_to_be_translated(marked):
    """In words of Cyrillic letters alone, a Latin letter is one that nobody marked."""
    brand = replace(
        specimens.brands()["plain"],
        name="Север",
        postal_address="улица 1",
        phone_hours="утром",
        sender=specimens.Sender(name="Инес", role="отдел"),
    )
    walk = Walk("ja", brand, "дело", "Ада")
    # What others wrote and are called is not ours to translate.
    others = "|".join(map(re.escape, (*WRITTEN, *NAMES.values())))
    for seen in walk.everywhere():
        text = re.sub(others, "", Page(seen.html).text)
        assert re.findall(r"[A-Za-z]{2,}", text) == [], seen.name


WRITTEN = (
    *(specimens.WORDS.replace("\n\n", " "), "So so", "A new lamp, today.", "x" * 9_000),
    *(member.name for member in specimens.documents().staff.members),
)


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_that_somebody_is_called_or_writes_becomes_markup_or_a_template(words):
    shown = "\n".join(words.split("\r\n"))
    walk = Walk(
        "fr", replace(specimens.brands()["hostile"], phone="+1 555"), words.splitlines()[0], words.splitlines()[0]
    )
    answer = walk.stack.path("a")
    walk.look("survey", answer)
    walk.press("too much written", answer, csat="1", words=shown + "x" * 9_000)
    walk.stack.off.update({"dynamodb", "sqs"})
    walk.press("not sent", answer, csat="1", words=shown)
    walk.stack.off.clear()
    walk.press("thanks", answer, csat="1", words=shown)
    for seen in walk.seen:
        page = Page(seen.html)
        assert (seen.name, page.wrong) == (seen.name, [])
        assert {tag for tag, _ in page.tags} & {"script", "img", "b", "iframe", "object"} == set()
        assert [name for _, given in page.tags for name in given if name.startswith("on")] == []
        assert "1337" not in seen.html


# -- another language in mid-survey ----------------------------------------------------------------------------


def _entered(html):
    marked = re.findall(r'<input type="radio"[^>]* name="(\w+)" value="(\d+)" checked', html)
    ticked = re.findall(r'<input type="checkbox"[^>]* name="(\w+)" value="(\w+)" checked', html)
    words = re.search(r"<textarea[^>]*>\n?([^<]*)</textarea>", html)
    return dict(marked), dict(ticked), words[1]


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_switching_the_language_keeps_what_was_entered_and_records_nothing(language):
    walk = Walk("en")
    answer = walk.stack.path("a")
    entered = {"csat": "2", "solved": "0", "words": "Nobody came.", "call_back": "yes"}
    before = walk.stack.rows()
    page = walk.press("switched", answer, language=language, **entered)
    assert (walk.seen[-1].status, dict(Page(page).tags)["html"]["lang"]) == (200, language)
    assert _entered(page) == ({"csat": "2", "solved": "0"}, {"call_back": "yes"}, "Nobody came.")
    assert walk.stack.rows() == before
    # The page that was switched is sent in, and what follows is in that language too.
    thanks = walk.send("thanks", answer, page, **entered)
    assert (walk.seen[-1].status, dict(Page(thanks).tags)["html"]["lang"]) == (200, language)
    assert [answer.words for answer in walk.stack.journey(walk.journey_id).answers] == ["Nobody came."]


def test_switching_the_language_of_an_empty_form_shows_no_error():
    walk = Walk("de")
    page = walk.press("switched", walk.stack.path("a"), language="es")
    assert (walk.seen[-1].status, 'role="alert"' in page) == (200, False)


def test_switching_the_language_opts_nobody_out_and_accepts_nothing():
    walk = Walk("en")
    opt_out = "/o/" + walk.stack.wiring.links.token(specimens.Link("opt_out", walk.journey_id, "survey"))
    before = walk.stack.rows()
    page = walk.press("switched", opt_out, language="ar", scope="everything")
    assert re.findall(r'value="(\w+)" checked', page) == ["everything"]
    assert walk.stack.rows() == before


def test_a_language_that_we_do_not_speak_is_no_switch():
    walk = Walk("en")
    walk.press("sent", walk.stack.path("a"), language="tlh", csat="5")
    assert len(walk.stack.journey(walk.journey_id).answers) == 1


def _survey(language):
    return next(seen.html for seen in walked(language) if seen.name == "survey")


def test_the_enter_key_sends_the_form_and_does_not_switch_it():
    """A browser presses the first button of a form; the languages come after it."""
    page = _survey("fr")
    buttons = re.findall(r"<button(?: name=\"(\w+)\")?[^>]*>", page)
    assert buttons == ["", *["language"] * 6]


def test_every_language_is_offered_in_its_own_name():
    for language in LANGUAGES:
        offered = dict(re.findall(r'name="language" value="(\w+)"[^>]*>([^<]+)</button>', _survey(language)))
        assert offered == {code: name for code, name in NAMES.items() if code != language}
