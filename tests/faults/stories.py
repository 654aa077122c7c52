"""The stories that every fault is tried on: a survey, a recovery, three ways of silence."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import NamedTuple

from tests.faults.world import DAY, HOUR, MINUTE, Mail, World

PAT = {"customer_id": "c-1", "email": "pat@example.org", "first_name": "Pat", "time_zone": "America/New_York"}
GONE = {**PAT, "email": "bounce@simulator.amazonses.com"}


def survey(world: World) -> None:
    """Resolved, asked, reminded, content by an angry comment, asked again, bought again: loyal."""
    world.reactions = {
        "reminder": lambda mail: world.once("content", HOUR, lambda: _content(world, mail)),
        "first_return": lambda mail: world.once("back", HOUR, lambda: _comes_back(world, mail)),
    }
    world.resolve("lamp", PAT)


def _content(world: World, mail: Mail) -> None:
    world.answer(mail, "Horrible, rude and useless people", csat=5, solved=1)


def _comes_back(world: World, mail: Mail) -> None:
    world.answer(mail, "I shall be back", come_back=5)
    world.later(2 * DAY, lambda: world.buy(PAT, "order-7"))


def recovery(world: World) -> None:
    """A bad answer, put right step by step, accepted, checked, bought again: loyal."""
    world.reactions = {
        "survey": lambda mail: world.once("bad", HOUR, lambda: world.answer(mail, "Still broken", csat=2)),
        "notice-recovery-1-": lambda mail: world.once("work", HOUR, lambda: _work(world, "lamp")),
        "proposal-1": lambda mail: world.once("word", HOUR, lambda: _accept(world, mail)),
        "notice-proposal-": lambda mail: world.once("deliver", HOUR, lambda: _deliver(world, "lamp")),
        "notice-recovery-1-no-word-": lambda mail: world.once("deliver", HOUR, lambda: _deliver(world, "lamp")),
        "fix_holds": lambda mail: world.once("fix", HOUR, lambda: world.answer(mail, "It holds", solved=1)),
        "recovery_rating": lambda mail: world.once(
            "rating", HOUR, lambda: world.answer(mail, "Well done", csat=5, heard=5, fair=4)
        ),
        "first_return": lambda mail: world.once("back", HOUR, lambda: _comes_back(world, mail)),
    }
    world.resolve("lamp", PAT)


def _work(world: World, name: str) -> None:
    world.acts(
        name,
        {"act": "take"},
        {"act": "apologise", "text": "I am sorry that the lamp failed you."},
        {"act": "propose", "text": "A new lamp by Friday."},
        every=20 * MINUTE,
    )


def _accept(world: World, mail: Mail) -> None:
    fields = {"choice": "meets", "comment": "Friday is fine"}
    world.press(mail.path("p"), fields, "Friday is fine", "lamp")


def _deliver(world: World, name: str) -> None:
    world.acts(
        name,
        {"act": "deliver", "amount": "25.00", "currency": "USD"},
        {"act": "thank", "text": "Thank you for telling us."},
        {"act": "debrief", "cause": "a bad batch", "improvement": "lamps are tested"},
        {"act": "close"},
        every=20 * MINUTE,
    )


def opt_out(world: World) -> None:
    """A customer with an open recovery and a second journey wants no mail at all; the recovery ends another way."""
    world.reactions = {
        "survey": lambda mail: world.once("bad", HOUR, lambda: world.answer(mail, "Never again", csat=1)),
        "acknowledgement-1": lambda mail: world.once("enough", 10 * MINUTE, lambda: _no_mail(world, mail)),
        "notice-recovery-1-": lambda mail: world.once("work", HOUR, lambda: _by_phone(world, "lamp")),
    }
    world.resolve("lamp", PAT)
    world.later(DAY + 30 * MINUTE, lambda: world.resolve("desk", PAT, epoch=1))


def _no_mail(world: World, mail: Mail) -> None:
    world.press(mail.path("o"), {"scope": "everything"})


def _by_phone(world: World, name: str) -> None:
    """Nothing can be mailed: the proposal gets no word, and is carried out after three days all the same."""
    steps = ({"act": "take"}, {"act": "apologise"}, {"act": "propose", "text": "We collect it and refund you."})
    world.acts(name, *steps, every=20 * MINUTE)
    world.later(4 * DAY, lambda: _deliver(world, name))


def one_click(world: World) -> None:
    """The button of a mail program opts out of asks: both journeys end, and their reminders never go."""
    world.reactions = {"survey": lambda mail: world.once("click", HOUR, lambda: _click(world, mail))}
    world.resolve("lamp", PAT)
    world.later(DAY + 30 * MINUTE, lambda: world.resolve("desk", PAT, epoch=1))


def _click(world: World, mail: Mail) -> None:
    world.press(mail.path("o"), {"List-Unsubscribe": "One-Click"})


def bounce(world: World) -> None:
    """The acknowledgement of a remark comes back: the other journey ends, the recovery goes on another way."""
    world.reactions = {"notice-recovery-1-": lambda mail: world.once("work", HOUR, lambda: _by_phone(world, "queue"))}
    world.resolve("lamp", GONE, epoch=1)
    world.later(HOUR, lambda: world.remark("queue", GONE, "Nobody served me for an hour"))


#: A mail stays claimed for fifteen minutes, then it takes two rounds of the reconciler until it is sent again; an alarm
#: may be ten minutes late, and a message that failed comes again after six.
LATE_AT_MOST = timedelta(minutes=30)


class Story(NamedTuple):
    """A story, and the least number of boundaries it crosses: a sweep that shrinks unnoticed would prove nothing."""

    play: Callable[[World], None]
    crossings: int


STORIES: dict[str, Story] = {
    "survey": Story(survey, 35),
    "recovery": Story(recovery, 90),
    "opt-out": Story(opt_out, 60),
    "one-click": Story(one_click, 20),
    "bounce": Story(bounce, 50),
}


def lived(name: str, faults: Mapping[int, str], *, events: bool = True, lazy: bool = True) -> World:
    """Return the world after that story, with those faults; ``events`` says whether SES tells what became of mail."""
    world = World(faults, events=events, lazy=lazy)
    STORIES[name].play(world)
    world.live()
    return world


@cache
def clean(name: str, *, events: bool = True) -> World:
    """Return the world after that story when nothing fails."""
    return lived(name, {}, events=events)


def plans(name: str, ways: Sequence[str], *, events: bool = True) -> Iterator[dict[int, str]]:
    """Yield every plan of one fault in one of those ways; fails when the story crosses too few boundaries."""
    crossings = len(clean(name, events=events).boundary.names)
    assert crossings >= STORIES[name].crossings
    yield from ({crossing: way} for crossing in range(crossings) for way in ways)


def wrong(name: str, faults: Mapping[int, str]) -> list[str]:
    """Return what became different from the story without faults, or was lost, done twice, late or left over."""
    try:
        world = lived(name, faults)
    except AssertionError as error:
        return [f"no end: {error}"]
    untouched = clean(name)
    return [
        *_differences(world.ending(), untouched.ending()),
        *(f"mailed {times} times: {effect}" for effect, times in world.doubled().items()),
        *_late(world, untouched, LATE_AT_MOST if faults else timedelta()),
        *left_over(world),
    ]


def wrong_without_events(name: str, faults: Mapping[int, str]) -> list[str]:
    """As `wrong`, when SES tells nothing: one extra mail is allowed, and so is an outcome that a person was told of."""
    world, untouched = lived(name, faults, events=False), clean(name, events=False)
    doubled = world.doubled()
    return [
        *_differences(_excused(world, untouched), untouched.ending()),
        *(f"mailed {times} times: {effect}" for effect, times in doubled.items() if times > 2 or len(doubled) > 1),
        *_late(world, untouched, LATE_AT_MOST),
        *left_over(world),
    ]


def left_over(world: World) -> list[str]:
    """Return what must not be in any world that has come to rest."""
    return [
        *(f"mailed after silence: {effect}" for effect in world.after_silence),
        *world.unfinished(),
        *world.violations,
    ]


def _excused(world: World, untouched: World) -> dict:
    """Return how it ended, but for touches of which nobody knows whether they went, if a person was told so."""
    ending, expected = deepcopy(world.ending()), untouched.ending()
    for name, journey in ending["journeys"].items():
        for touch_id, status in journey["touches"].items():
            told = any(effect.startswith(f"notice-unknown-{touch_id}-") for _, effect in world.mailed())
            if status == "not sent unknown_outcome" and told:
                journey["touches"][touch_id] = expected["journeys"][name]["touches"][touch_id]
    return ending


def _late(world: World, untouched: World, at_most: timedelta) -> list[str]:
    """Return the mails that never went out, and those that went much later."""
    found, expected = world.mailed(), untouched.mailed()
    never = [f"never mailed: {effect}" for effect in expected if effect not in found]
    late = [effect for effect in expected if effect in found and found[effect] - expected[effect] > at_most]
    return never + [f"late by {found[effect] - expected[effect]}: {effect}" for effect in late]


def _differences(found: object, expected: object, path: str = "") -> list[str]:
    """Return where two endings part."""
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return [] if found == expected else [f"{path} is {found!r}, not {expected!r}"]
    keys = sorted(found.keys() | expected.keys())
    return [each for key in keys for each in _differences(found.get(key), expected.get(key), f"{path}/{key}")]


def named(name: str, faults: Mapping[int, str], *, events: bool = True) -> str:
    """Return a plan in words, by what was crossed when nothing failed."""
    names = clean(name, events=events).boundary.names
    return ", ".join(f"{crossing} {names[crossing]} {way}" for crossing, way in faults.items())
