"""As if every event of the mail service were lost: at most one mail too many, or a person who knows; never silence."""

import pytest

from tests.faults.stories import STORIES, clean, left_over, lived, named, plans, wrong_without_events
from tests.faults.world import TIME_OUT_AFTER, TIME_OUT_BEFORE, WAYS


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("story", STORIES)
def test_whatever_fails_once_at_most_one_mail_is_too_many_or_a_person_knows(story, way):
    found = {
        named(story, plan, events=False): wrong_without_events(story, plan)
        for plan in plans(story, (way,), events=False)
    }
    assert {plan: problems for plan, problems in found.items() if problems} == {}


def _sendings(story):
    return [at for at, name in enumerate(clean(story, events=False).boundary.names) if name == "send-mail"]


def _again(story, plan):
    """Return the crossing at which the mail of that fault is sent once more."""
    names = lived(story, plan, events=False).boundary.names
    released = names.index("release", max(plan))
    return names.index("send-mail", released)


@pytest.mark.parametrize("way", [TIME_OUT_AFTER, TIME_OUT_BEFORE])
@pytest.mark.parametrize("story", ["survey", "recovery"])
def test_a_mail_of_which_nothing_is_known_twice_is_given_up_to_a_person_and_a_notice_is_sent_again(story, way):
    expected = clean(story, events=False).mails
    found = {}
    for nth, crossing in enumerate(_sendings(story)):
        world = lived(story, {crossing: way, _again(story, {crossing: way}): way}, events=False)
        mail = expected[nth]
        sent = [each for each in world.mails if each.kind == mail.kind == "staff-notice"]
        told = [each for each in world.mails if each.effect.startswith(f"notice-unknown-{mail.effect}-")]
        found[mail.effect] = (bool(sent) or len(told) == 1, left_over(world))
    assert found == dict.fromkeys(found, (True, []))
