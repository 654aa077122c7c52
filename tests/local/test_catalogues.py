"""The catalogues of translations are those of the texts that there are, and what ships is what they say."""

import pytest

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
