"""What the console and the staff API cost: the same at a thousand journeys and at many more, and as the docs state."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.stack import Stack
from tests.entry.load import Load

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
#: | `page` | requests | read units | … of docs/architecture.md, as `python benchmarks/console.py` prints it.
_STATED = re.compile(r"^\| `(/\S*(?: \(often\))?)` \| (\d+) \| ([\d.]+) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def at_a_thousand():
    load = Load(Stack(NOW), 1_000)
    return {look.label: load.cost(look) for look in load.looks()}


@pytest.mark.parametrize("journeys", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_every_page_and_operation_that_looks_costs_what_it_costs_at_a_thousand_journeys(at_a_thousand, journeys):
    load = Load(Stack(NOW), journeys)
    looks = load.looks()
    costs = {look.label: load.cost(look) for look in looks}
    # The numbers in the cells of the figures have more digits, two at a hundred thousand: at most half a unit a shard.
    slack = {look.label: 2 if look.route.handler.startswith("figures.") else 0 for look in looks}
    grown = {
        label: (before, costs[label])
        for label, before in at_a_thousand.items()
        if costs[label][:2] != before[:2] or costs[label].units > before.units + slack[label]
    }
    assert (costs.keys(), grown) == (at_a_thousand.keys(), {})


def test_every_page_that_was_looked_at_was_there(at_a_thousand):
    refused = {label for label, cost in at_a_thousand.items() if cost.status >= 400}
    # No provider is set up, and nobody is on the way back from one or holds that link.
    assert refused == {"/console/provider", "/console/provider/back", "/console/sign-in/{token}"}


def test_the_docs_state_what_each_page_of_the_console_costs(at_a_thousand):
    """Print the table anew (`python benchmarks/console.py`) when a page has come, gone, or asks for something else."""
    page = (Path(__file__).parents[2] / "docs/architecture.md").read_text()
    stated = {label: (int(requests), float(units)) for label, requests, units in _STATED.findall(page)}
    assert stated == {
        label: (cost.requests, pytest.approx(cost.units, abs=1))
        for label, cost in at_a_thousand.items()
        if label.startswith("/console") and cost.status < 400
    }
