"""How much of what a customer said stands in their journey: it is one item of the table, of at most 400 KB.

Nobody who answers comes near these bounds; whoever lets a program press a link's button ten thousand times does, and
must not be able to fill the journey until nothing more can be written of it. Every answer stands whole in its fact.
"""

from collections.abc import Iterable

#: Bytes of words that stand whole, characters of those after them, and how many answers stand at all.
MOST_BYTES, EXCERPT, MOST_ANSWERS = 100_000, 200, 100
#: How many later words on one proposal stand beside the first.
MOST_LATER = 20
_GOES_ON = " […]"


def fitting(words: str, kept: Iterable[str]) -> str:
    """Return words as there is room for them beside those that are kept: whole, or as an excerpt."""
    used = sum(len(other.encode()) for other in kept)
    if len(words) <= EXCERPT or used + len(words.encode()) <= MOST_BYTES:
        return words
    return words[:EXCERPT] + _GOES_ON
