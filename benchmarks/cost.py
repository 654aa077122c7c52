"""What AWS charges for journeys, from counted calls and a table of prices: ``python benchmarks/cost.py``.

Three replays through the whole stack: journeys of six mails to the customer in which all is well (survey, reminder,
four check-ins), journeys of six mails with a recovery (survey, acknowledgement, apology, proposal, thank-you, check-in,
and notices to staff besides), and, unless ``--six`` says not to, the whole histories of ``make replay``. What functions
do by the clock though nothing happens is counted in a stack that nobody uses, taken off the others, and shown as what
stands.

Counted: every call that a function makes, by function; capacity units of DynamoDB as the stand-in counts them, indexes
and transactions included; invocations; bytes of log. Assumed, since nothing here can measure it: `WAIT` for every call,
and that a function has as much of a processor as Lambda gives for its memory. Cold starts are not in it.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec

from chalicelib.journey.documents import Cadence
from infra import chalice_config, stack
from local import inputs
from local import stack as local_stack
from local.replay import Replay
from local.stack import Stack

ROOT: Final = Path(__file__).parents[1]
START: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
MONTH: Final = timedelta(days=30)
#: Dollars, by AWS's price lists for us-east-1.
PRICES_OF: Final = "November 2026"
PRICES: Final = {
    "SES, a mail": 0.10 / 1_000,
    "DynamoDB, a write unit": 0.625 / 1_000_000,
    "DynamoDB, a read unit": 0.125 / 1_000_000,
    "SQS, a request": 0.40 / 1_000_000,
    "S3, a write or a listing": 5 / 1_000_000,
    "S3, a read": 0.40 / 1_000_000,
    "Scheduler, an alarm": 1 / 1_000_000,
    "Lambda, an invocation": 0.20 / 1_000_000,
    "Lambda on arm64, a GB for a second": 0.0000133334,
    "API Gateway, a request": 3.50 / 1_000_000,
    "logs, a GB": 0.50,
    "CloudWatch, an alarm for a month": 0.10,
}
#: What does not end of the free tiers, a month.
FREE: Final = {
    "SQS, a request": 1_000_000,
    "Scheduler, an alarm": 14_000_000,
    "Lambda, an invocation": 1_000_000,
    "Lambda on arm64, a GB for a second": 400_000,
    "logs, a GB": 5,
    "CloudWatch, an alarm for a month": 10,
}
#: A message is sent, received and deleted.
REQUESTS_OF_A_MESSAGE: Final = 3
#: Lambda asks each queue with five pollers, which wait twenty seconds for a message. Source: Lambda Developer Guide,
#: "Configuring scaling behavior for SQS event source mappings".
POLLS_OF_A_QUEUE: Final = 5 * MONTH.total_seconds() / 20
#: Seconds that one call of AWS keeps a function waiting, and the processor time that botocore takes for it.
WAIT: Final = 0.010
_BOTOCORE: Final = 0.001
#: MB for which Lambda gives one whole processor. Source: Lambda Developer Guide, "Configure Lambda function memory".
_WHOLE_PROCESSOR: Final = 1_769
#: Bytes that Lambda itself logs of an invocation (START, END, REPORT), and that the frame of one line takes.
_LINES_OF_LAMBDA: Final = 350
_FRAME: Final = 300
JOURNEYS: Final = 200

Bill = Counter[str]


class Metered(Stack):
    """A stack that counts what each function would be charged for."""

    def __init__(self, start: datetime) -> None:
        """Provision it; what the making of it took is not counted."""
        super().__init__(start, lazy=True)
        self.invoked: Counter[str] = Counter()
        self.processor: Counter[str] = Counter()
        self.asked: Counter[tuple[str, str]] = Counter()
        self.logged = _Bytes()
        self.account.calls.clear()
        self.account.units.clear()
        self.account.on_call = self._on_call

    def _on_call(self, service: str, operation: str, _: Any) -> None:
        if self.running:
            self.asked[self.running, f"{service}.{operation}"] += 1

    @contextmanager
    def _role(self, function: str) -> Iterator[None]:
        self.invoked[function] += 1
        began = process_time()
        with super()._role(function):
            yield
        self.processor[function] += process_time() - began  # type: ignore[assignment]  # seconds

    def bill(self) -> Bill:
        """Return how much of everything that has a price was used."""
        calls: Counter[str] = Counter()
        waits: Counter[str] = Counter()
        for (function, call), times in self.asked.items():
            calls[call] += times
            waits[function] += times
        messages = sum(times for function, times in self.invoked.items() if function in QUEUES)
        return Counter(
            {
                "SES, a mail": calls["sesv2.SendEmail"],
                "DynamoDB, a write unit": self.account.units["dynamodb.write"],
                "DynamoDB, a read unit": self.account.units["dynamodb.read"],
                "SQS, a request": messages * REQUESTS_OF_A_MESSAGE,
                "S3, a write or a listing": calls["s3.PutObject"] + calls["s3.ListObjectsV2"],
                "S3, a read": calls["s3.GetObject"],
                "Scheduler, an alarm": self.invoked["on_alarms"],
                "Lambda, an invocation": self.invoked.total(),
                "Lambda on arm64, a GB for a second": sum(
                    self._memory(function, waits[function]) for function in self.invoked
                ),
                "API Gateway, a request": self.invoked[chalice_config.API_FUNCTION],
                "logs, a GB": (self.logged.bytes + self.invoked.total() * _LINES_OF_LAMBDA) / 1e9,
            }
        )

    def _memory(self, function: str, calls: int) -> float:
        memory = SIZES[function]
        busy = (self.processor[function] + calls * _BOTOCORE) * max(1.0, _WHOLE_PROCESSOR / memory)
        return (busy + calls * WAIT) * memory / 1024


SIZES: Final = {
    name: each["lambda_memory_size"]
    for name, each in chalice_config.section("dev", {}, folder="")["lambda_functions"].items()
}
#: The functions that a queue feeds.
QUEUES: Final = frozenset(
    name
    for name in SIZES
    if f"aftercare-dev-{name.removeprefix('on_')}"
    in {
        each.properties["QueueName"]
        for each in stack.resources("dev", "0" * 12, "us-east-1").values()
        if each.type == "AWS::SQS::Queue"
    }
)


class _Bytes(logging.Handler):
    """Counts what the log would take."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.bytes = 0
        self._plain = logging.makeLogRecord({}).__dict__.keys()
        local_stack.log.setLevel(logging.INFO)
        local_stack.log.propagate = False
        local_stack.log.handlers = [self]

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: each for name, each in record.__dict__.items() if name not in self._plain}
        self.bytes += _FRAME + len(record.getMessage()) + len(json.dumps(extra, default=str))


# -- what is replayed --------------------------------------------------------------------------------------


class Story(NamedTuple):
    """What happens in each of many journeys, and how the shipped cadence differs for them."""

    #: Touch, hours after it was sent, rating, word on a proposal.
    answers: tuple[tuple[str, int, str, str], ...]
    #: Hours after the recovery opened, act, details.
    acts: tuple[tuple[float, str, str], ...]
    change: Callable[[dict[str, Any]], None]


def _four_check_ins(cadence: dict[str, Any]) -> None:
    track = cadence["tracks"]["after_content_answer"]
    return_, loyalty = track["steps"]
    del return_["send_only_if"]
    more = [{**return_, "id": f"return_{days}", "after": f"P{days}D"} for days in (20, 40, 60)]
    track["steps"] = [*more, {**loyalty, "after": "P90D"}]


def _one_check_in(cadence: dict[str, Any]) -> None:
    del cadence["tracks"]["after_recovery"]["steps"][1:]


#: Both mail each customer six times. In the first all is well; the second has all steps of the playbook, in time.
STORIES: Final = {
    "six mails, all is well": Story(
        (
            ("reminder", 6, "5", ""),
            *((f"return_{days}", 6, "5", "") for days in (20, 40, 60)),
            ("loyalty", 6, "10", ""),
        ),
        (),
        _four_check_ins,
    ),
    "six mails, a recovery": Story(
        (("survey", 6, "2", ""), ("proposal", 12, "", "meets"), ("fix_holds", 8, "1", "")),
        (
            (0.5, "take", ""),
            (1, "apologise", "I am sorry that the lamp failed you."),
            (1.5, "propose", "A new lamp within two days"),
            (20, "deliver", "25.00 USD restitution"),
            (25, "thank", ""),
            (30, "debrief", "cause: a bad batch; improvement: lamps are tested"),
            (31, "close", ""),
        ),
        _one_check_in,
    ),
}


def told(story: Story, journeys: int, apart: timedelta) -> tuple[inputs.Inputs, bytes]:
    """Return that many journeys, so far apart, and their cadence."""
    cases = [
        f"case-{number},c-{number},c{number}@example.com,{START + number * apart:%FT%TZ},A red lamp,Pat,1"
        for number in range(journeys)
    ]
    answers = [
        f"case-{number},1,{touch},{hours},{score},{word},It is about the lamp"
        for number in range(journeys)
        for touch, hours, score, word in story.answers
    ]
    acts = [
        f"case-{number},1,{hours},{act},{detail}" for number in range(journeys) for hours, act, detail in story.acts
    ]
    cadence = json.loads((ROOT / "chalicelib" / "defaults" / "cadence.json").read_text("utf-8"))
    story.change(cadence)
    raw = json.dumps(cadence).encode()
    with tempfile.TemporaryDirectory() as folder:
        files = [
            _file(folder, "case_id,customer_id,email,resolved_at,subject,first_name,epoch", cases),
            _file(folder, "case_id,epoch,touch,hours_after_sending,score,answer,comment", answers),
            _file(folder, "case_id,epoch,hours_after_recovery_opens,act,detail", acts),
        ]
        return inputs.read(*files, cadence=msgspec.json.decode(raw, type=Cadence)), raw


def _file(folder: str, columns: str, rows: list[str]) -> Path:
    path = Path(folder) / f"{columns.count(',')}-{len(rows)}.csv"
    path.write_text("".join(f"{row}\n" for row in (columns, *rows)), "utf-8")
    return path


def histories() -> inputs.Inputs:
    """Return the whole histories that ``make replay`` replays."""
    folder = ROOT / "examples" / "histories"
    return inputs.read(*(folder / f"{name}.csv" for name in ("cases", "answers", "staff", "purchases")))


# -- what it comes to --------------------------------------------------------------------------------------


class Counted(msgspec.Struct):
    """One replay: what was used for 1,000 journeys, and what a thousand of them leave in the table and the bucket."""

    journeys: int
    mails: float
    notices: float
    used: dict[str, float]
    stored_kb: float
    kept_kb: float


def standing() -> Bill:
    """Return what a stage that nobody uses takes in a month."""
    idle = Metered(START)
    idle.run_until(START + MONTH)
    rounds = {"on_reconcile": 5, "on_figures": 15, "on_suppressions": 12 * 60}
    # The stack passes over rounds that find nothing, and counts their units: they run all the same.
    idle.invoked.update({name: int(MONTH / timedelta(minutes=each)) for name, each in rounds.items()})
    for name in rounds:
        idle.asked[name, "dynamodb.Query"] += _QUERIES * idle.invoked[name]
    used = idle.bill()
    queues = [each for each in _resources("AWS::SQS::Queue") if not each["QueueName"].endswith("-dead")]
    used["SQS, a request"] += POLLS_OF_A_QUEUE * len(queues)
    used["CloudWatch, an alarm for a month"] += len(_resources("AWS::CloudWatch::Alarm"))
    return used


def counted(given: inputs.Inputs, idle: Bill, cadence: bytes = b"") -> Counted:
    """Replay files and return what their journeys took, without what stands."""
    first = given.messages[0].at
    at = Metered(first)
    if cadence:
        at.wiring.documents.put("cadence", cadence, first, by="benchmark", activate=True)
    replay = Replay(at, given)
    end = given.last_resolution + timedelta(days=120)
    replay.run_until(end)
    if at.failures:
        sys.exit(f"the replay failed: {at.failures[:3]}")
    months = (end - first) / MONTH
    # Rounds that ran because there was something to do are the journeys' own; the units of all others stand.
    for name in ("DynamoDB, a read unit", "DynamoDB, a write unit"):
        at.account.units[_UNITS[name]] -= idle[name] * months
    used = at.bill()
    kinds = Counter(mail.tags["kind"] for mail in at.account.ses.sent)
    thousands = given.cases / 1_000
    return Counted(
        journeys=given.cases,
        mails=(kinds.total() - kinds["staff-notice"]) / given.cases,
        notices=kinds["staff-notice"] / given.cases,
        used={name: used[name] / thousands for name in PRICES if used[name]},
        stored_kb=at.account.dynamodb.describe_table(TableName=at.environment["TABLE"])["Table"]["TableSizeBytes"]
        / given.cases
        / 1_000,
        kept_kb=sum(len(mail.raw) for mail in at.account.ses.sent) / given.cases / 1_000,
    )


_UNITS: Final = {"DynamoDB, a read unit": "dynamodb.read", "DynamoDB, a write unit": "dynamodb.write"}
#: Calls of a round that finds nothing, at most: one for each shard of what is due.
_QUERIES: Final = 9


def _resources(kind: str) -> list[Any]:
    return [each.properties for each in stack.resources("dev", "0" * 12, "us-east-1").values() if each.type == kind]


def price(used: dict[str, float] | Bill) -> float:
    """Return the dollars of a bill, without any free tier."""
    return sum(PRICES[name] * each for name, each in used.items())


def month(journeys: int, used: dict[str, float], idle: Bill) -> float:
    """Return the dollars of a month with so many journeys, the free tiers that do not end taken off."""
    total = {name: idle[name] + used.get(name, 0.0) * journeys / 1_000 for name in PRICES}
    return sum(PRICES[name] * max(0.0, each - FREE.get(name, 0)) for name, each in total.items())


SIZES_OF_A_MONTH: Final = (100, 10_000, 1_000_000)


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--six", action="store_true", help="journeys of six mails only; a minute instead of three")
    parser.add_argument(
        "--apart", type=float, default=60, metavar="MINUTES", help="between the journeys of six mails (default: 60)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    idle = standing()
    found = {}
    for name, story in STORIES.items():
        given, cadence = told(story, JOURNEYS, timedelta(minutes=options.apart))
        found[name] = counted(given, idle, cadence)
    if not options.six:
        found["histories"] = counted(histories(), idle)
    if options.json:
        print(
            json.dumps(
                {"standing": idle, **{name: msgspec.to_builtins(each) for name, each in found.items()}}, indent=2
            )
        )
        return
    print(f"prices of {PRICES_OF}, us-east-1, no free tier")
    for name, each in found.items():
        print(f"\n1,000 journeys, {name}: {each.mails:.2f} mails to a customer, {each.notices:.2f} to staff, each")
        for what, number in each.used.items():
            print(f"  {what:<36}{number:>14,.3f}  ${PRICES[what] * number:.3f}")
        print(f"  {'':<36}{'':>14}  ${price(each.used):.3f}")
        print(f"  a journey leaves {each.stored_kb:.0f} KB in the table, {each.kept_kb:.0f} KB of mails in the bucket")
    print("\nstanding, a month")
    for what, number in idle.items():
        if number:
            print(f"  {what:<36}{number:>14,.3f}  ${PRICES[what] * number:.3f}")
    print("\na month, free tiers that do not end taken off")
    for name, each in found.items():
        for size in SIZES_OF_A_MONTH:
            print(f"  {name:<24}{size:>10,} journeys  ${month(size, each.used, idle):,.2f}")


if __name__ == "__main__":
    main()
