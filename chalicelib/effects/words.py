"""The languages that customers are written to in: their words, plural forms, days and hours.

Words come from gettext catalogues (``chalicelib/locale/<language>/LC_MESSAGES/aftercare.mo``), names of days, months
and places from ``chalicelib/locale/cldr.json``, which ``make words`` takes out of CLDR. English is the source: it needs
no catalogue, and it is what stands wherever a translation is missing.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from chalicelib.journey import clock
from chalicelib.journey.documents import LANGUAGES, Said, Settings
from chalicelib.journey.state import Person

LOCALE: Final = Path(__file__).parents[1] / "locale"
DOMAIN: Final = "aftercare"
_QUALITY: Final = re.compile(r"q=([01](?:\.\d{0,3})?)")
_RIGHT_TO_LEFT: Final = {"ar"}
#: What each language calls itself, for those who look for their own.
NAMES: Final = {
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "de": "Deutsch",
    "pt": "Português",
    "ja": "日本語",
    "ar": "العربية",
}


def N_(text: str) -> str:  # noqa: N802 - the name that gettext's tools look for
    """Mark a text that is kept in a constant for translation; returns it as it is."""
    return text


class _Calendar(msgspec.Struct, frozen=True):
    """What one language says of days and places: lists from Monday and from January, a pattern, cities by zone."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    day: str
    hour: str
    cities: dict[str, str]


class Words:
    """What is said to a customer in one of `LANGUAGES`. ``otherwise`` serves where a lead's own text lacks it."""

    def __init__(self, language: str, otherwise: str, catalogue: NullTranslations, calendar: _Calendar) -> None:
        """Keep the catalogue and the names of days, months and places."""
        self.language = language
        self._otherwise = otherwise
        self.direction = "rtl" if language in _RIGHT_TO_LEFT else "ltr"
        self.gettext: Callable[[str], str] = catalogue.gettext
        self.ngettext: Callable[[str, str, int], str] = catalogue.ngettext
        self._calendar = calendar

    def text(self, message: str, **values: object) -> str:
        """Return a text in this language, with its ``%(name)s`` filled in; without values, ``%`` is a plain sign."""
        found = self.gettext(message)
        return found % values if values else found

    def plural(self, one: str, many: str, number: int, **values: object) -> str:
        """Return the form of a text that fits a number, which it may name as ``%(num)s``."""
        return self.ngettext(one, many, number) % {"num": number, **values}

    def said(self, text: Said) -> str:
        """Return a text of a document in this language: a lead's own translation, or that of a text of ours."""
        if isinstance(text, str):
            return self.gettext(text)
        given = cast("dict[str, str]", text)
        return given.get(self.language) or given.get(self._otherwise) or next(iter(given.values()))

    def day(self, instant: datetime, zone: str) -> str:
        """Return a date as a person says it there: ``Friday 15 May``, ``5月15日金曜日``."""
        local = instant.astimezone(clock.zone(zone))
        return self._calendar.day.format(
            weekday=self._calendar.weekdays[local.weekday()],
            day=local.day,
            month=self._calendar.months[local.month - 1],
            number=local.month,
        )

    def hour(self, instant: datetime, zone: str) -> str:
        """Return an instant as a person says it there: ``Tuesday 5 May, 17:00 (New York time)``."""
        time = f"{instant.astimezone(clock.zone(zone)):{self._calendar.hour}}"
        return self.text(
            "%(day)s, %(time)s (%(city)s time)", day=self.day(instant, zone), time=time, city=self.city(zone)
        )

    def city(self, zone: str) -> str:
        """Return the place that gives a zone its name: ``New York``, ``Nueva York``."""
        return self._calendar.cities.get(zone) or zone.rsplit("/", maxsplit=1)[-1].replace("_", " ")


@lru_cache(maxsize=len(LANGUAGES) ** 2)
def words(language: str, otherwise: str = "en") -> Words:
    """Return the words of a language; of English for one that is not among `LANGUAGES`."""
    known = language if language in LANGUAGES else "en"
    return Words(known, otherwise, _catalogue(known), _calendar(known))


def _catalogue(language: str) -> NullTranslations:
    if language == "en":
        return NullTranslations()
    with (LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as compiled:
        return GNUTranslations(compiled)


def _calendar(language: str) -> _Calendar:
    """Read what CLDR says of one language; the others stay undecoded: a cold start wants one."""
    found = msgspec.json.decode((LOCALE / "cldr.json").read_bytes(), type=dict[str, msgspec.Raw])
    return msgspec.json.decode(found[language], type=_Calendar)


def spoken(locale: str, otherwise: str = "en") -> str:
    """Return the language of ours that serves a locale best: ``pt-PT`` is pt, ``zh_TW`` is ``otherwise``."""
    base = locale.replace("_", "-").partition("-")[0].lower()
    return base if base in LANGUAGES else otherwise


def accepted(header: str, otherwise: str = "en") -> str:
    """Return the language of ours that an ``Accept-Language`` header (RFC 9110, 12.5.4) likes best."""
    weighed = []
    for part in header.split(","):
        locale, _, weight = part.partition(";")
        found = _QUALITY.fullmatch(weight.strip())
        weighed.append((float(found[1]) if found else 1.0, spoken(locale.strip(), "")))
    # Sorting is stable: what comes first is liked as much.
    liked = sorted((one for one in weighed if one[0] > 0 and one[1]), key=lambda one: -one[0])
    return liked[0][1] if liked else otherwise


def of_customer(person: Person, settings: Settings, chosen: str = "") -> Words:
    """Return the words of a customer: those that they chose, else of their locale, else of the deployment."""
    language = chosen or spoken(person.customer.locale if person.customer else "", settings.language)
    return words(language, settings.language)


# -- what templates call: the language is that of the render, never of the cached environment ----------------------


@pass_context
def gettext(context: Context, message: str, **values: object) -> str:
    """Translate for the ``words`` of this render, and fill in: what stands in a text is markup, what is filled in not.

    As the i18n extension of Jinja does it (newstyle), whose module a cold start need not load for two functions.
    """
    return _filled(context, _of(context).gettext(message), values)


@pass_context
def ngettext(context: Context, one: str, many: str, number: int, **values: object) -> str:
    """Translate a text with a number, its ``%(num)s``, for the ``words`` of this render."""
    return _filled(context, _of(context).ngettext(one, many, number), {"num": number, **values})


def _filled(context: Context, text: str, values: dict[str, object]) -> str:
    return (Markup(text) if context.eval_ctx.autoescape else text) % values  # noqa: S704 - texts are our own


def _of(context: Context) -> Words:
    """Return the words of a render; a block that was imported without context has none, and that is an error."""
    found: Any = context.resolve("words")
    if not isinstance(found, Words):
        raise LookupError(f"{context.name} has no words: import it `with context`")  # noqa: TRY004 - nothing was found
    return found
