"""Which language a customer reads, and how it says days, hours and a lead's own texts."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.effects import rendering, words
from chalicelib.journey import documents
from chalicelib.journey.documents import LANGUAGES
from chalicelib.journey.errors import BadDocument
from tests.unit.builders import raw, shipped
from tests.words import specimens

FRIDAY = datetime(2026, 5, 15, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("pt-PT", "pt"),
        ("pt_BR", "pt"),
        ("es-MX", "es"),
        ("en-GB", "en"),
        ("DE", "de"),
        ("ar-EG-u-nu-arab", "ar"),
        ("ja", "ja"),
        ("zh", "fr"),
        ("den", "fr"),
        ("", "fr"),
        ("../../etc", "fr"),
    ],
)
def test_a_locale_is_served_by_the_language_that_suits_it_best_else_by_the_deployments(locale, language):
    settings = replace(shipped().settings, language="fr")
    assert words.of_customer(specimens.person(locale), settings).language == language


def test_a_customer_of_whom_nothing_is_known_reads_the_deployments_language():
    unknown = replace(specimens.person(), customer=None)
    assert words.of_customer(unknown, replace(shipped().settings, language="ja")).language == "ja"
    assert words.of_customer(unknown, shipped().settings).language == "en"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("zh-TW, fr;q=0.3, es;q=0.7", "es"),
        ("zh", "en"),
        ("", "en"),
        ("de;q=0, ja", "ja"),
        ("*", "en"),
        (";;q=,,,de;q=x", "de"),
    ],
)
def test_a_browser_says_what_its_reader_likes_best(header, language):
    assert words.accepted(header) == language


@given(st.text(max_size=80))
def test_any_header_has_a_language(header):
    assert words.accepted(header) in LANGUAGES


@pytest.mark.parametrize(
    ("language", "day", "hour"),
    [
        ("en", "Friday 15 May", "Friday 15 May, 17:00 (New York time)"),
        ("es", "viernes, 15 de mayo", "viernes, 15 de mayo, a las 17:00 (hora de Nueva York)"),
        ("fr", "vendredi 15 mai", "vendredi 15 mai à 17:00 (heure locale : New York)"),
        ("de", "Freitag, 15. Mai", "Freitag, 15. Mai, 17:00 Uhr (Ortszeit New York)"),
        ("pt", "sexta-feira, 15 de maio", "sexta-feira, 15 de maio, às 17:00 (horário local: Nova York)"),
        ("ja", "5月15日金曜日", "5月15日金曜日 17:00（ニューヨーク時間）"),
        ("ar", "الجمعة، 15 مايو", "الجمعة، 15 مايو، الساعة 17:00 (بتوقيت نيويورك)"),
    ],
)
def test_a_day_and_an_hour_are_said_as_the_language_says_them(language, day, hour):
    said = words.words(language)
    assert (said.day(FRIDAY, "America/New_York"), said.hour(FRIDAY, "America/New_York")) == (
        day,
        hour.replace("locale :", "locale\u00a0:"),
    )


def test_a_zone_that_has_no_city_is_said_as_it_is_called():
    assert words.words("ja").city("Etc/GMT+5") == "GMT+5"


# -- texts of documents ----------------------------------------------------------------------------------------


def test_the_texts_that_ship_are_translated_and_a_leads_own_plain_text_is_said_as_it_is():
    french = words.words("fr")
    assert french.said("Is it solved?") == "Est-ce résolu\u00a0?"
    assert french.said("Is the piano in tune?") == "Is the piano in tune?"


@pytest.mark.parametrize(
    ("language", "expected"), [("de", "Stimmt das Klavier?"), ("fr", "Le piano ?"), ("ja", "Le piano ?")]
)
def test_a_text_in_several_languages_is_said_in_the_readers_else_in_the_deployments(language, expected):
    text = {"de": "Stimmt das Klavier?", "fr": "Le piano ?"}
    assert words.words(language, "fr").said(text) == expected


def test_a_text_without_the_deployments_language_is_said_in_its_first():
    assert words.words("ja", "en").said({"de": "Stimmt das Klavier?", "fr": "Le piano ?"}) == "Stimmt das Klavier?"


def _cadence(text):
    made = msgspec.json.decode(raw("cadence"))
    made["survey"]["questions"][0]["text"] = text
    return msgspec.json.encode(made)


def test_a_document_takes_a_text_in_several_languages():
    text = {"en": "Is the piano in tune?", "de": "Stimmt das Klavier?"}
    assert documents.read("cadence", _cadence(text)).survey.questions[0].text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ({"en": "Fine?", "xx": "?"}, r"Invalid enum value 'xx' - at `key` in `\$.survey.questions\[0\].text`"),
        ({"de": ""}, r"Expected `str` of length >= 1 - at `\$.survey.questions\[0\].text\[...\]`"),
        ({}, r"Expected `object` of length >= 1 - at `\$.survey.questions\[0\].text`"),
        (7, r"Expected `str \| object`, got `int` - at `\$.survey.questions\[0\].text`"),
    ],
)
def test_a_wrong_language_is_named_by_its_path(text, why):
    with pytest.raises(BadDocument, match=why):
        documents.read("cadence", _cadence(text))


# -- brands ----------------------------------------------------------------------------------------------------

SOUTH = replace(shipped().settings.brand, id="south", name="Southwind", teams=("pianos",))
BRANDS = replace(shipped().settings, brands=(SOUTH,))


@pytest.mark.parametrize(
    ("brand", "team", "name"),
    [
        ("south", "", "Southwind"),
        ("", "pianos", "Southwind"),
        ("north", "pianos", "Southwind"),
        ("", "drums", "Northwind Music"),
        ("", "", "Northwind Music"),
    ],
)
def test_a_case_is_of_the_brand_that_it_names_else_of_its_teams_else_of_the_deployments(brand, team, name):
    told = specimens.journey()
    told = replace(told, case=replace(told.case, brand=brand, team=team))
    known = replace(shipped(), settings=BRANDS)
    assert rendering.brand_of(told, known).name == name
    body, envelope = specimens.write("survey", told, specimens.person(), known)
    assert (name in body.html, envelope.sender_name) == (True, f"Ines Okafor, {name}")


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        (["south", "south"], r"two brands have the same id - at `\$.brands\[1\].id`"),
        ([None], r"a further brand has an id: by that cases name it - at `\$.brands\[0\].id`"),
    ],
)
def test_a_further_brand_has_an_id_of_its_own(ids, why):
    made = msgspec.json.decode(raw("settings"))
    made["brands"] = [{**made["brand"], "id": one} for one in ids]
    with pytest.raises(BadDocument, match=why):
        documents.read("settings", msgspec.json.encode(made))
