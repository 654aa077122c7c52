"""The list of public holidays that ships is what the library says."""

import json

from infra import holidays

SHIPPED = json.loads(holidays.WRITTEN.read_text("utf-8"))
_FIRST = min(int(day[:4]) for day in SHIPPED["DE"][""])


def test_what_ships_is_what_the_library_says():
    assert holidays.collected(_FIRST) == SHIPPED


def test_every_country_has_days_in_each_of_six_years():
    years = {country: {day[:4] for day in regions[""]} for country, regions in SHIPPED.items()}
    assert years == {key: {str(_FIRST + ahead) for ahead in range(6)} for key in holidays.COUNTRIES}


def test_a_region_has_its_own_days_beside_those_of_the_country():
    assert SHIPPED["DE"]["BY"]["2026-01-06"] == "Epiphany"
    assert "2026-01-06" not in SHIPPED["DE"][""]
