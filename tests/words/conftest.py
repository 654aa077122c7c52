"""Words that are in no language: what is not in them was never marked for translation."""

from gettext import NullTranslations

import pytest

from chalicelib.effects import words


class _Marked(NullTranslations):
    """Every letter of a marked text becomes a Cyrillic one; what is filled in stays as it is."""

    def gettext(self, message):
        parts = message.split("%(")
        shown = [parts[0].translate(_CYRILLIC)]
        for part in parts[1:]:
            name, _, rest = part.partition(")s")
            shown.append(f"{name})s{rest.translate(_CYRILLIC)}")
        return "%(".join(shown)

    def ngettext(self, one, many, number):
        return self.gettext(one if number == 1 else many)


_CYRILLIC = {ord(letter): chr(0x430 + at % 26) for at, letter in enumerate("abcdefghijklmnopqrstuvwxyz" * 2)} | {
    ord(letter): chr(0x410 + at) for at, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}


@pytest.fixture
def marked(monkeypatch):
    """The words of every customer are made of Cyrillic letters, their days and places Japanese."""
    said = words.Words("ja", "en", _Marked(), words._calendar("ja"))  # noqa: SLF001 - words that nobody speaks
    monkeypatch.setattr(words, "words", lambda language, otherwise="en": said)
    return said
