"""The catalogues of translations are those of the texts that there are, and what ships is what they say."""

import re
import tomllib
from pathlib import Path

import pytest

from chalicelib.effects import words
from chalicelib.journey.documents import LANGUAGES
from local import catalogues


@pytest.fixture(scope="module")
def source():
    return catalogues.source()


def test_the_list_of_texts_is_that_of_the_sources(source):
    assert catalogues.POT.read_bytes() == catalogues.as_po(source), "make words brings it up to date"


@pytest.mark.parametrize("language", catalogues.languages())
def test_a_catalogue_holds_the_texts_that_there_are(source, language):
    merged = catalogues.as_po(catalogues.merged(language, source))
    assert catalogues.path(language).read_bytes() == merged, "make words brings it up to date"


@pytest.mark.parametrize("language", catalogues.languages())
def test_what_ships_is_what_the_catalogue_says(language):
    compiled = catalogues.path(language).with_suffix(".mo").read_bytes()
    assert compiled == catalogues.as_mo(catalogues.read(language)), "make words compiles it"


def test_what_ships_of_cldr_is_what_cldr_says():
    assert catalogues.CLDR.read_bytes() == catalogues.calendars(), "make words takes it out anew"


# -- whole -----------------------------------------------------------------------------------------------------

REASONS = tomllib.loads(Path(__file__).with_name("untranslated.toml").read_text("utf-8"))
#: How many there may be of a thing, and the form (by its place) that each language says it in: CLDR's plural rules.
FORMS = {
    "en": {0: 1, 1: 0, 2: 1, 3: 1, 11: 1, 100: 1},
    "es": {0: 1, 1: 0, 2: 1, 3: 1, 11: 1, 100: 1},
    "de": {0: 1, 1: 0, 2: 1, 3: 1, 11: 1, 100: 1},
    "fr": {0: 0, 1: 0, 2: 1, 3: 1, 11: 1, 100: 1},
    "pt": {0: 0, 1: 0, 2: 1, 3: 1, 11: 1, 100: 1},
    "ja": dict.fromkeys((0, 1, 2, 3, 11, 100), 0),
    "ar": {0: 0, 1: 1, 2: 2, 3: 3, 11: 4, 100: 5},
}
_FILLED = re.compile(r"%\(\w+\)s|%%|<[^>]*>")


def _texts(language):
    """Every text of a catalogue: its id in all forms, and its translation in all forms."""
    for message in catalogues.read(language):
        if message.id:
            forms = message.id if isinstance(message.id, tuple) else (message.id,)
            yield forms, message.string if isinstance(message.string, tuple) else (message.string,), message


@pytest.mark.parametrize("language", catalogues.languages())
def test_no_text_lacks_its_translation_and_none_is_a_guess(language):
    lacking = [
        forms[0]
        for forms, translated, message in _texts(language)
        if message.fuzzy or not all(map(str.strip, translated))
    ]
    assert lacking == []


@pytest.mark.parametrize("language", catalogues.languages())
def test_a_translation_fills_in_what_its_source_fills_in(language):
    wrong = [
        (forms[0], one)
        for forms, translated, _ in _texts(language)
        for one in translated
        if sorted(_FILLED.findall(one)) != sorted(_FILLED.findall(forms[-1]))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", catalogues.languages())
def test_a_translation_that_equals_its_source_has_a_reason(language):
    equal = {forms[0] for forms, translated, _ in _texts(language) if set(forms) & set(translated)}
    assert equal == {text for text, listed in REASONS.items() if language in listed["languages"]}
    assert [text for text, listed in REASONS.items() if not listed["reason"]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_plural_has_the_form_that_its_number_asks_for(language):
    said = words.words(language)
    # English is its own source: its forms are those of any catalogue.
    counted = {
        forms: forms if language == "en" else translated
        for forms, translated, _ in _texts("de" if language == "en" else language)
        if len(forms) > 1
    }
    assert len(counted) > 0
    for (one, many), forms in counted.items():
        expected = {number: forms[form] % {"num": number} for number, form in FORMS[language].items()}
        assert {number: said.plural(one, many, number) for number in FORMS[language]} == expected


def test_what_ships_of_cldr_is_small():
    assert catalogues.CLDR.stat().st_size < 80_000
