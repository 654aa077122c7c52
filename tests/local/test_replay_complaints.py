"""Real complaints, one customer each, through the whole stack."""

from tests.local import rederive
from tests.local.test_replay_histories import replayed

EXAMPLES = rederive.ROOT / "examples"


def test_every_negative_answer_gets_its_one_recovery(tmp_path):
    code, summary, _ = replayed(EXAMPLES, tmp_path)
    assert (code, summary["violations"]) == (0, [])
    assert {name: summary[name] for name in ("cases", "journeys", "answers", "answers_unused", "recoveries")} == {
        "cases": 1499,
        "journeys": 1499,
        "answers": 1479,
        "answers_unused": 0,
        "recoveries": 280,
    }
    assert summary["mails"]["survey"] == 1499
    assert summary["mails"]["acknowledgement"] == 280
