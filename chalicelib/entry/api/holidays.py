"""Public holidays by country and region, for whoever fills in a calendar: a list to take days from.

Written by ``python -m infra.holidays`` from the library of that name, for six years.
"""

import json
from functools import cache
from importlib import resources
from typing import Annotated

import msgspec

from chalicelib.entry.api.operations import Context, operation
from chalicelib.entry.api.problems import BadField

Country = Annotated[str, msgspec.Meta(max_length=2, description="Its code in ISO 3166, such as `DE`.")]
Region = Annotated[str, msgspec.Meta(max_length=6, description="Its code in ISO 3166-2 without the country's: `BY`.")]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A country, or one of its regions; of all years that are known, or of one."""

    country: Country
    region: Region = ""
    year: int | None = None


class Day(msgspec.Struct, frozen=True):
    """A public holiday."""

    date: str
    name: str


class Days(msgspec.Struct, frozen=True):
    """Public holidays, in their order."""

    days: list[Day]


@operation()
def days(context: Context, asked: Asked) -> Days:
    """List the public holidays of a country or region."""
    del context
    regions = _all().get(asked.country)
    if regions is None:
        raise BadField("country", f"not one of {', '.join(_all())}")
    if asked.region and asked.region not in regions:
        raise BadField("region", f"not one of {', '.join(filter(None, regions)) or 'any: the country has none'}")
    found = {**regions[""], **(regions[asked.region] if asked.region else {})}
    year = "" if asked.year is None else f"{asked.year}-"
    return Days([Day(date, name) for date, name in sorted(found.items()) if date.startswith(year)])


def choices() -> list[str]:
    """Return every country and region as one writes them: ``DE``, ``DE/BY``."""
    return [f"{country}/{region}" if region else country for country, regions in _all().items() for region in regions]


@cache
def _all() -> dict[str, dict[str, dict[str, str]]]:
    """Return name by day by region (the country itself is the region ``""``) by country."""
    raw = resources.files("chalicelib.defaults").joinpath("holidays.json").read_bytes()
    found: dict[str, dict[str, dict[str, str]]] = json.loads(raw)
    return found
