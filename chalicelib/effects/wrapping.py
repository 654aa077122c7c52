"""Lines of a plain text part: broken between words and, in languages that part none, between characters."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

#: Characters that begin no line, and that end none (JIS X 4051, the ones that mails have).
_NEVER_FIRST: Final = frozenset("、。，．・：；？！」』）〕］｝〉》】”’ー々…‥ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ")
_NEVER_LAST: Final = frozenset("「『（〔［｛〈《【“‘")
#: White space at which a line may break: not the blanks that French sets before a colon, which begin no line.
_BLANKS: Final = re.compile(r"[^\S\u00a0\u2007\u202f]+")


def wrap(text: str, width: int = 72, *, hard: bool = False) -> str:
    """Return a paragraph in lines of at most ``width`` columns.

    A word that is longer, as a link is, stays whole unless ``hard``. White space becomes one blank or one line break;
    blanks that do not break stay as they are.
    """
    lines, line, length = [], "", 0
    for unit, blank in _units(text, width if hard else 0):
        more = columns(unit)
        gap = 1 if blank and line else 0
        if line and length + gap + more > width:
            lines.append(line)
            line, length, gap = "", 0, 0
        line += " " * gap + unit
        length += gap + more
    return "\n".join([*lines, line] if line else lines)


def columns(text: str) -> int:
    """Return how wide a text is in a fixed-width font: two for a full-width character, none for a combining mark."""
    return sum(2 if _wide(char) else not unicodedata.combining(char) for char in text)


def _units(text: str, longest: int) -> Iterator[tuple[str, bool]]:
    """Yield what stays together, and whether a blank stands before it."""
    for word in filter(None, _BLANKS.split(text)):
        blank = True
        for unit in _parts(word):
            for start in range(0, len(unit), longest or len(unit)):
                yield unit[start : start + longest] if longest else unit, blank
                blank = False


def _parts(word: str) -> Iterator[str]:
    """Yield the parts of a word between which a line may break."""
    start = 0
    for at in range(1, len(word)):
        before, after = word[at - 1], word[at]
        if (_wide(before) or _wide(after)) and after not in _NEVER_FIRST and before not in _NEVER_LAST:
            yield word[start:at]
            start = at
    yield word[start:]


def _wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in {"W", "F"}
