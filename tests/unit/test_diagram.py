import argparse
from xml.etree import ElementTree as ET

import pytest

from chalicelib.journey import events as e
from chalicelib.journey import machine, rules
from chalicelib.journey.state import Stage
from local import diagram


def test_the_diagram_of_the_docs_is_what_the_table_says():
    assert diagram.FILE.read_text("utf-8") == diagram.draw(machine.ARROWS)
    assert told("--check") == 0


def told(*args: str) -> int:
    parser = argparse.ArgumentParser()
    diagram.add_arguments(parser)
    return diagram.run(parser.parse_args(args))


def test_a_diagram_that_differs_is_told(tmp_path, capsys):
    file = str(tmp_path / "docs" / "journey.svg")
    assert told("--check", "--file", file) == 1
    assert "run python -m local diagram" in capsys.readouterr().err
    assert told("--file", file) == 0
    assert told("--check", "--file", file) == 0


def test_stages_that_share_an_arrow_are_drawn_as_one():
    table = [
        *((stage, e.CaseReopened, Stage.SUPERSEDED) for stage in rules.CALM),
        (Stage.WAITING, e.MailNotSent, Stage.UNKNOWN),
        (Stage.ASKED, e.MailNotSent, Stage.UNKNOWN),
        (Stage.ASKED, e.AlarmRang, Stage.UNKNOWN),
    ]
    assert diagram.arrows(table) == {
        ("calm", Stage.SUPERSEDED): ["case reopened"],
        (Stage.WAITING, Stage.UNKNOWN): ["mail not sent"],
        (Stage.ASKED, Stage.UNKNOWN): ["alarm rang", "mail not sent"],
    }


def test_an_arrow_without_a_place_on_the_page_is_an_error():
    with pytest.raises(KeyError):
        diagram.draw([(Stage.LOST, e.StaffActed, Stage.WAITING)])


def test_every_stage_and_every_event_that_leads_somewhere_is_on_the_page():
    words = {node.text for node in ET.fromstring(diagram.draw(machine.ARROWS)).iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314 - our own
    assert {stage.value.replace("_", " ") for stage in Stage} <= words
    assert {diagram._words(event.__name__) for _, event, _ in machine.ARROWS} <= words  # noqa: SLF001 - how it says them
