"""Whatever happens, in whatever order: the six invariants hold, and every row of the table is run."""

from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.journey import events as e
from chalicelib.journey import machine, rules
from chalicelib.journey.effects import SetAlarm
from chalicelib.journey.state import Stage
from tests.unit.builders import MONDAY, case, customer, days, hours
from tests.unit.world import MOVES, Play, World

MOVE = st.tuples(st.sampled_from(MOVES), st.integers(0, 7), st.integers(0, 7))
HISTORIES = st.lists(MOVE, min_size=1, max_size=40)
#: Long ones with every move as likely as the next: Hypothesis's own lists repeat themselves, to be cut down well.
LONG_ONES = st.randoms(use_true_random=True, note_method_calls=False).map(
    lambda dice: [(dice.choice(MOVES), dice.randrange(8), dice.randrange(8)) for _ in range(50)]
)
PATIENT = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def play(moves) -> World:
    """After each move every invariant holds; the world itself checks each single decision."""
    world = World()
    history = Play(world)
    for number, move in enumerate(moves, start=1):
        history.move(*move)
        assert world.violations() == []
        if number % 10 == 0:
            history.what_ifs()
    history.what_ifs()
    return world


@settings(PATIENT, max_examples=200)
@given(HISTORIES)
def test_the_invariants_hold_whatever_happens(moves):
    play(moves)


@pytest.mark.slow
@settings(PATIENT, max_examples=3_000)
@given(HISTORIES | LONG_ONES)
def test_the_invariants_hold_in_many_more_histories(moves):
    play(moves)


# -- every row, every arrow ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explored():
    """The rows that were run and the steps that were seen, in the same histories each time."""
    rows, steps = set(), set()

    @settings(PATIENT, max_examples=300, derandomize=True, database=None)
    @given(LONG_ONES)
    def explore(moves):
        world = play(moves)
        rows.update(world.rows)
        steps.update(world.steps)

    explore()
    return rows, steps


def test_every_row_of_the_table_is_run(explored):
    rows, _ = explored
    assert [f"{stage}: {event.__name__}" for stage, event in machine.TABLE if (stage, event) not in rows] == []


def may_lead(start: Stage, event: type[e.Happened]) -> set[Stage]:
    """Where the table says that an event may lead from a stage, what settles by itself included."""
    declared = {start} | {to for a, b, to in machine.ARROWS if (a, b) == (start, event)}
    return declared | {last for stage in declared for last in machine.SETTLES.get(stage, ())}


def test_nothing_leads_where_the_table_does_not_say(explored):
    _, steps = explored
    assert [
        f"{start}: {event.__name__} to {to}" for start, event, to in steps if to not in may_lead(start, event)
    ] == []


#: Only where somebody is silenced between a survey's falling due and its sending, or by way of another journey while
#: this one waits: tests of their own show these.
RARE = {(Stage.WAITING, e.MailNotSent, to) for to in (Stage.OPTED_OUT, Stage.UNREACHABLE)} | {
    (stage, e.PersonSilenced, to)
    for stage in (Stage.WAITING, Stage.ASKED)
    for to in (Stage.OPTED_OUT, Stage.UNREACHABLE)
}
#: Doubtful praise that was a person's after all, before anything else was said; a journey that was stopped while it
#: waited or asked. `test_trust` and `test_attention` show these.
RARE |= {(stage, e.AnswerJudged, Stage.CHECKING_IN) for stage in (Stage.WAITING, Stage.ASKED)}
RARE |= {(Stage.UNKNOWN, e.JourneyResumed, to) for to in (Stage.WAITING, Stage.ASKED)}
#: Mail that comes back for now: test_mail_that_returns.py shows these.
RARE |= {(Stage.ASKED, e.MailBounced, Stage.WAITING)}
RARE |= {(stage, e.MailBounced, Stage.UNKNOWN) for stage in (Stage.WAITING, Stage.ASKED)}


def test_everything_leads_where_the_table_says(explored):
    _, steps = explored
    assert [f"{start}: {event.__name__} to {to}" for start, event, to in machine.ARROWS - steps - RARE] == []


def test_a_rule_that_is_no_row_declares_nothing():
    assert set(rules.LEADS) <= set(machine.TABLE.values())


# -- every order -----------------------------------------------------------------------------------------

FIRST = e.journey_of_case("desk", "4711", 1)
SECOND = e.journey_of_case("desk", "4711", 2)


def resolved(epoch: int, at) -> e.CaseResolved:
    return e.CaseResolved(
        event_id=f"resolved/{epoch}",
        occurred_at=at,
        journey_id=e.journey_of_case("desk", "4711", epoch),
        case=case(epoch=epoch, resolved_at=at),
        customer=customer(),
    )


def answered(name: str, at, *, suspect: str = "", **scores) -> e.AnswerGiven:
    return e.AnswerGiven(
        event_id=name, occurred_at=at, journey_id=FIRST, answer_id=name, touch_id="survey", scores=scores,
        suspect=suspect,
    )  # fmt: skip


def sent(at) -> e.MailSent:
    return e.MailSent(event_id="sent/survey", occurred_at=at, journey_id=FIRST, touch_id="survey", message_id="m")


def in_order(six) -> World:
    """Give each of them, the second time a copy, and do at once what one journey tells another."""
    world = World()
    world.now = MONDAY + days(5)
    for event in six:
        for _ in range(2):
            world.give(event)
            for subject, keys in list(world.owed.items()):
                for key in [key for key in keys if key.startswith("tell-")]:
                    world.perform(subject, key)
    return world


def test_every_order_of_six_facts_of_one_journey_comes_to_the_same():
    six = (
        resolved(1, MONDAY),
        sent(MONDAY + days(1)),
        e.MailDelivered(event_id="delivered/survey", occurred_at=MONDAY + days(1), journey_id=FIRST, touch_id="survey"),
        answered("doubtful", MONDAY + days(2), suspect="decoy", csat=1),
        answered("bad", MONDAY + days(2), csat=1),
        e.OptedOut(event_id="opt-out", occurred_at=MONDAY + days(3), journey_id=FIRST, scope="asks"),
    )
    found = set()
    for order in permutations(six):
        world = in_order(order)
        journey = world.journeys[FIRST]
        person = world.persons["p-ada"]
        found.add(
            (
                journey.stage,
                tuple(sorted((a.id, a.suspect, a.negative, a.recovery) for a in journey.answers)),
                tuple(recovery.answers for recovery in journey.recoveries),
                tuple(t.kind for t in journey.touches if t.is_planned),
                journey.touch("survey").status,
                person.no_asks_since is not None,
                person.open_recoveries,
            )
        )
    assert found == {
        (
            Stage.RECOVERING,
            (("bad", "", True, 1), ("doubtful", "decoy", True, 0)),
            (("bad",),),
            (),
            "answered",
            True,
            (FIRST,),
        )
    }


def test_in_every_order_of_six_facts_about_two_resolutions_the_bad_answer_has_one_recovery():
    """Where it is may differ, and rightly so.

    A bad answer that is known before the reopening opens a recovery, which the reopening supersedes: people are at
    the case again, with the owner told. One that becomes known after it is carried to the journey that follows.
    """
    six = (
        resolved(1, MONDAY),
        sent(MONDAY + days(1)),
        answered("good", MONDAY + days(1) + hours(1), csat=5),
        answered("bad", MONDAY + days(2), csat=1),
        e.CaseReopened(event_id="reopened/1", occurred_at=MONDAY + days(3), journey_id=FIRST),
        resolved(2, MONDAY + days(4)),
    )
    found = set()
    for order in permutations(six):
        world = in_order(order)
        first, second = world.journeys[FIRST], world.journeys[SECOND]
        assert first.stage == Stage.SUPERSEDED
        assert sorted(answer.id for answer in first.answers) == ["bad", "good"]
        here, there = ([(recovery.answers, recovery.result) for recovery in one.recoveries] for one in (first, second))
        found.add((tuple(here), tuple(there), second.stage))
        owed = {
            key for keys in world.owed.values() for key, one in keys.items() if not isinstance(one.effect, SetAlarm)
        }
        assert [key for key in owed if key.startswith("tell-")] == []
    assert found == {
        (((("bad",), "superseded"),), (), Stage.WAITING),
        ((), ((("bad",), ""),), Stage.RECOVERING),
    }
