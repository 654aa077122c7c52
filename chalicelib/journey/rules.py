"""What a rule of the machine is, and to which stages it declares that it may lead."""

from collections.abc import Callable

from chalicelib.journey.state import OUTCOMES, Stage
from chalicelib.journey.turn import Turn

Rule = Callable[[Turn], None]
#: Stages of a journey that may end at any moment, for no recovery is open.
CALM = (Stage.WAITING, Stage.ASKED, Stage.CHECKING_IN)
OPEN = (*CALM, Stage.RECOVERING)
BORN = (*OPEN, *OUTCOMES)
#: What each rule declares: from which stage (None for all that have a row with it), to which.
LEADS: dict[Rule, list[tuple[Stage | None, Stage]]] = {}


def leads_to(*stages: Stage, of: tuple[Stage, ...] = ()) -> Callable[[Rule], Rule]:
    """Declare to which stages a rule may lead, from the stages ``of``, or from all that have a row with it.

    The diagram in the docs draws what is declared; the tests hold it against every history that they play.
    """

    def declare(rule: Rule) -> Rule:
        LEADS.setdefault(rule, []).extend((start, stage) for start in of or (None,) for stage in stages)
        return rule

    return declare


def ignore(why: str) -> Rule:
    """Return a rule that changes nothing, and says why."""

    def rule(turn: Turn) -> None:
        turn.ignore(why)

    rule.__name__ = "ignore"
    rule.__doc__ = why
    return rule
