"""Every effect on the outside fails once in every way: nothing is lost, nothing is done twice, nothing is stuck."""

import pytest

from tests.faults.stories import STORIES, named, plans, wrong
from tests.faults.world import WAYS


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("story", STORIES)
def test_whatever_fails_once_the_story_ends_as_if_nothing_had(story, way):
    found = {named(story, plan): wrong(story, plan) for plan in plans(story, (way,))}
    assert {plan: problems for plan, problems in found.items() if problems} == {}
