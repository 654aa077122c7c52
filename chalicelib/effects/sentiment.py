"""How angry words sound, by VADER's lexicon and rules (Hutto and Gilbert, ICWSM 2014). English only.

Taken: nltk-vader-sentiment, which needs nothing else, carries its lexicon as a module, is typed and kept up, and says
the same as the original (vaderSentiment 3.3.2) on 988 of the 1,000 texts of benchmarks/sentiment; the original asks for
requests and has not been released since 2020. How well it finds angry customers: `python benchmarks/sentiment.py`.
"""

from collections.abc import Callable
from datetime import datetime

from chalicelib.journey.effects import WeighWords
from chalicelib.journey.events import Event, WordsWeighed
from chalicelib.store.items import Owed
from chalicelib.store.table import Table


def compound(words: str) -> float:
    """Return how words sound: -1 the angriest, 0 neither, 1 the most content."""
    # 25 ms and 4 MB that only the worker needs
    from vader import polarity_scores  # noqa: PLC0415

    return max(-1.0, min(1.0, float(polarity_scores(words)["compound"])))


def version() -> str:
    """Return which program and release says so."""
    from vader import __version__  # noqa: PLC0415

    return f"nltk-vader-sentiment {__version__}"


class Weigher:
    """Performs `WeighWords`. ``handle`` takes the event down the road, with the effect that it settles."""

    def __init__(self, table: Table, handle: Callable[[Event, Owed], object], now: Callable[[], datetime]) -> None:
        """Keep its partners."""
        self._table = table
        self._handle = handle
        self._now = now

    def weigh(self, owed: Owed, effect: WeighWords) -> None:
        """Weigh the words of one answer; the same words weigh the same however often a crash has it done again."""
        answers = self._table.journey(effect.journey_id).value.answers
        words = next((answer.words for answer in answers if answer.id == effect.answer_id), None)
        if words is None:
            self._table.settle(owed)
            return
        weighed = WordsWeighed(
            event_id=f"weighed/{effect.answer_id}",
            occurred_at=self._now(),
            journey_id=effect.journey_id,
            answer_id=effect.answer_id,
            compound=compound(words),
            by=version(),
        )
        self._handle(weighed, owed)
