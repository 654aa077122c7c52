"""Each resolution of a case is an epoch, whether its source numbers them, we do, or now one and now the other."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.store.cases import CaseEpochs
from local.aws import Account
from local.provision import provision

FIRST = datetime(2026, 3, 2, 10, tzinfo=UTC)
LATER = FIRST + timedelta(days=5)


@pytest.fixture
def epochs():
    account = Account(lambda: FIRST)
    return CaseEpochs(account.client("dynamodb"), provision(account, "dev")["TABLE"])


def test_resolutions_are_numbered_as_they_come_and_each_keeps_its_number(epochs):
    assert [epochs.resolved("desk", "7", at) for at in (FIRST, LATER, FIRST)] == [1, 2, 1]


def test_a_source_that_numbers_some_and_not_others_gets_the_next_number(epochs):
    assert epochs.resolved("desk", "7", FIRST, 1) == 1
    assert epochs.resolved("desk", "7", LATER) == 2


def test_what_is_told_again_belongs_to_the_epoch_that_held_then(epochs):
    """A reopening of the first resolution that comes again after the second must not undo the second."""
    epochs.resolved("desk", "7", FIRST)
    epochs.resolved("desk", "7", LATER)
    assert [epochs.at("desk", "7", FIRST + timedelta(days=days)) for days in (1, 6)] == [1, 2]


def test_a_case_whose_first_known_epoch_is_the_second_is_reopened_there(epochs):
    epochs.resolved("desk", "7", FIRST, 2)
    assert [epochs.at("desk", "7", at) for at in (FIRST - timedelta(days=1), LATER)] == [2, 2]


def test_what_overtakes_the_resolution_is_for_the_first(epochs):
    assert epochs.at("desk", "7", FIRST) == 1
