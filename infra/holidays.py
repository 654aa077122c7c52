"""Writes the public holidays that the console offers for calendars: ``python -m infra.holidays``, or ``make holidays``.

From the library holidays (MIT, https://github.com/vacanza/holidays), which is too large to ship for the sake of a list.
Nobody decides by this list: a lead takes days from it into a calendar, where they are dates like any other.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import holidays

WRITTEN: Final = Path(__file__).parents[1] / "chalicelib" / "defaults" / "holidays.json"
#: Where the seven languages are spoken, and their neighbours.
COUNTRIES: Final = (
    *("AE", "AR", "AT", "AU", "BE", "BR", "CA", "CH", "CL", "CO", "CZ", "DE", "DK", "EG", "ES", "FI", "FR", "GB", "IE"),
    *("IN", "IT", "JO", "JP", "LU", "MA", "MX", "NL", "NO", "NZ", "PE", "PL", "PT", "SA", "SE", "SG", "US", "UY", "ZA"),
)
_YEARS_AHEAD: Final = 5


def days(country: str, region: str | None, years: range) -> dict[str, str]:
    """Return the public holidays of a country or of one of its regions, by date, with their English names."""
    language = "en_US" if "en_US" in holidays.country_holidays(country).supported_languages else None
    found = holidays.country_holidays(country, subdiv=region, years=years, language=language)
    return {day.isoformat(): name for day, name in sorted(found.items())}


def collected(first: int) -> dict[str, dict[str, dict[str, str]]]:
    """Return, by country and region, the days of six years: the country's under ``""``, a region's own by its code."""
    years = range(first, first + _YEARS_AHEAD + 1)
    told: dict[str, dict[str, dict[str, str]]] = {}
    for country in COUNTRIES:
        common = days(country, None, years)
        regions = {region: days(country, region, years) for region in holidays.country_holidays(country).subdivisions}
        # What holds in each region only beyond the whole country; a day that one region does not keep is rare, and the
        # lead sees the list before taking it.
        own = {
            region: {day: name for day, name in found.items() if day not in common} for region, found in regions.items()
        }
        told[country] = {"": common, **{region: found for region, found in sorted(own.items()) if found}}
    return told


def main() -> None:
    """Write the file anew, from this year on."""
    first = datetime.now(UTC).year
    text = json.dumps(collected(first), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    WRITTEN.write_text(text.replace('},"', '},\n"') + "\n", "utf-8")
    size = WRITTEN.stat().st_size
    print(f"{WRITTEN.name}: {len(COUNTRIES)} countries, {first} to {first + _YEARS_AHEAD}, {size:,} bytes")


if __name__ == "__main__":
    main()
