"""Every AWS call that each function makes, over whole journeys, held against what its role grants: both ways."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from msgspec.structs import replace

from chalicelib.entry.guard import form_token
from chalicelib.entry.queues import LAST_TRY
from chalicelib.journey.events import ReplyReceived
from chalicelib.store.access import Session
from infra import policies, stack
from infra.policies import Roles
from local.aws.account import DEFAULT_ACCOUNT_ID, DEFAULT_REGION
from local.aws.calls import camel_case
from local.stack import STAGE
from tests.entry.staff import ADDRESS, Browser
from tests.faults.stories import PAT, STORIES
from tests.faults.world import DAY, HOUR, READING, START, World
from tests.infra.iam import ASKED, Use, arn, granted, mismatches, uses

Params = Mapping[str, Any]
ROOT = Path(__file__).parents[2]
#: A method of a client of AWS, as the product calls one.
_CALL = re.compile(r"\b_client(?:\(.+?\))?\.(\w+)\(")
OUTPUTS = stack.outputs(STAGE, DEFAULT_ACCOUNT_ID, DEFAULT_REGION)
BUCKET = f"aftercare-{STAGE}-mail-{DEFAULT_ACCOUNT_ID}-{DEFAULT_REGION}"
#: Staff are reminded of a recovery that nobody works for ever; all else is over by then.
LONG_ENOUGH = 200 * DAY
WORKERS = ("on_inbox", "on_work", "on_alarms", "on_feedback", "on_reply", "on_reconcile")
FUNCTIONS = ("api_handler", *WORKERS, "on_figures", "on_suppressions")
#: As Chalice names the functions: the one of the routes has no name of its own.
LOG_GROUPS = {name: f"/aws/lambda/aftercare-{STAGE}-{name}" for name in FUNCTIONS} | {
    "api_handler": f"/aws/lambda/aftercare-{STAGE}"
}


# -- trouble: what makes a function do what it does not do every day -------------------------------------------


class Trouble(NamedTuple):
    """Happens at a call of a function, given its arguments: before it acts or after it, once or always."""

    function: str
    call: str
    act: Callable[[World, Params], None]
    after: bool = False
    always: bool = False


def out_of_reach(world: World, params: Params) -> None:
    """The service cannot be had."""
    raise EndpointConnectionError(endpoint_url="https://aws.invalid")


def no_answer(world: World, params: Params) -> None:
    """The service did it, and nobody heard."""
    raise ReadTimeoutError(endpoint_url="https://aws.invalid")


def work_is_lost(world: World, params: Params) -> None:
    """The queue of work, and it alone, cannot be had."""
    if params["QueueUrl"] == world.stack.environment["WORK_QUEUE_URL"]:
        out_of_reach(world, params)


def erasure_out_of_reach(world: World, params: Params) -> None:
    """The table takes everything but what asks for an erasure."""
    first = params["TransactItems"][0].get("Put", {}).get("Item", {})
    if first.get("sk", {}).get("S", "").startswith("FACT#erase/"):
        out_of_reach(world, params)


def rung_meanwhile(world: World, params: Params) -> None:
    """Between reading and writing, the alarm of the same journey rings and is faster."""
    journey_id = params["TransactItems"][0]["Put"]["Item"]["pk"]["S"].removeprefix("J#")
    world.stack.take("alarms", {"MessageId": "", "ReceiptHandle": "", "Body": json.dumps({"journey_id": journey_id})})


def opted_out_meanwhile(world: World, params: Params) -> None:
    """The customer opts out at once, so the alarm that is being set is needed no more."""
    world.press(world.mails[-1].path("o"), {"List-Unsubscribe": "One-Click"})


COMMIT = "dynamodb.TransactWriteItems"


# -- stories that the sweeps do not tell -----------------------------------------------------------------------


def silence(world: World) -> None:
    """Nobody ever answers: the journey ends when its last alarm rings."""
    world.resolve("lamp", PAT)


def lost_alarm(world: World) -> None:
    """The schedule is gone, and the reconciler rings in its place."""
    world.resolve("lamp", PAT)
    group = world.stack.environment["SCHEDULE_GROUP"]
    gone = {"Name": world.journeys["lamp"], "GroupName": group}
    world.later(HOUR, lambda: world.stack.account.scheduler.delete_schedule(**gone))


def documents(world: World) -> None:
    """The CX lead stores a cadence, looks at it, and goes back to the shipped one."""
    shown = world.stack.signed("GET", "/documents/cadence").json()
    put = world.stack.signed("PUT", "/documents/cadence", json.dumps(shown["document"]).encode())
    active = world.stack.signed("GET", "/documents/cadence").json()["active"]
    back = world.stack.signed("POST", "/documents/cadence/0/activate")
    assert (shown["active"], put.status, active, back.status) == (0, 201, 1, 200)


def bus(world: World) -> None:
    """Another system tells of a case without an epoch and of a remark, and takes the case back."""
    now = world.now.isoformat()
    case = {"source": "desk", "case_id": "lamp"}
    _publish(world, "case.resolved", case | {"resolved_at": now, "customer": PAT})
    remark = {"source": "counter", "remark_id": "queue", "words": "An hour!", "occurred_at": now, "customer": PAT}
    _publish(world, "failure.logged", remark)
    withdrawn = case | {"withdrawn_at": now, "reason": "spam"}
    world.later(HOUR, lambda: _publish(world, "case.withdrawn", withdrawn))


def figures(world: World) -> None:
    """Facts are counted, and then all of them anew."""
    world.resolve("lamp", PAT)
    world.later(2 * DAY, lambda: world.stack.wiring.rollup.rebuild(world.now))
    world.later(3 * DAY, lambda: world.resolve("desk", PAT))


def rooms(world: World) -> None:
    """A lead reads what needs somebody, and takes it."""
    world.remark("queue", PAT, "An hour!")
    world.later(HOUR, lambda: _at_the_console(world))


def erasure(world: World) -> None:
    """An admin has a customer forgotten who was mailed before."""
    world.resolve("lamp", PAT)
    world.later(2 * DAY, lambda: _writes_back(world))
    world.later(3 * DAY, lambda: _forget(world))


def _writes_back(world: World) -> None:
    """A reply has come, and its file lies in the bucket."""
    reply = {"reply_id": "r1", "words": "Hello?", "raw": "inbound/r1"}
    told = ReplyReceived(event_id="reply/r1", occurred_at=world.now, journey_id=world.journeys["lamp"], **reply)
    world.stack.wiring.pipeline.handle(told)


def _forget(world: World) -> None:
    person = world.people[PAT["email"]]
    assert _sign_in(world, "ines").press(f"/console/people/{person}/erase", confirm="ERASE").status == 303


def _sign_in(world: World, member: str) -> Browser:
    access, browser, token = world.stack.wiring.access, Browser(world.stack), f"token-{member}"
    access.begin(token, Session(member, world.now, access.epoch(member)))
    browser.cookies["__Host-aftercare"], browser.form_token = token, form_token(token)
    return browser


def _at_the_console(world: World) -> None:
    browser = _sign_in(world, "samir")
    assert browser.get("/console").status == 200
    assert browser.press(f"/console/todos/{world.journeys['queue']}/recovery-1", what="take").status == 303
    assert browser.get("/console/search?q=pat@example.org").status == 303
    assert browser.get("/console/journeys?stage=recovering").status == 200


def _publish(world: World, kind: str, detail: dict) -> None:
    bus = world.stack.environment["EVENT_BUS"]
    entry = {"EventBusName": bus, "Source": "desk", "DetailType": kind, "Detail": json.dumps(detail)}
    assert world.stack.account.events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def put_aside(world: World) -> None:
    """A case and news of a mail cannot be dealt with for a while; ops send the references back when they can be."""
    now = world.now.isoformat()
    _publish(world, "case.resolved", {"source": "desk", "case_id": "lamp", "resolved_at": now, "customer": PAT})
    sqs = world.stack.account.client("sqs")
    url = {name: sqs.get_queue_url(QueueName=f"aftercare-{STAGE}-{name}")["QueueUrl"] for name in ("inbox", "feedback")}
    sqs.send_message(QueueUrl=url["feedback"], MessageBody="no news of any mail")

    def send_back() -> None:
        for _ in range(2):
            message = sqs.receive_message(QueueUrl=f"{url['inbox']}-dead")["Messages"][0]
            sqs.delete_message(QueueUrl=f"{url['inbox']}-dead", ReceiptHandle=message["ReceiptHandle"])
            sqs.send_message(QueueUrl=url["inbox"], MessageBody=message["Body"])

    world.later(2 * HOUR, send_back)


def reads_a_mail(world: World) -> None:
    """A member of staff looks at the mail that the customer answered."""
    world.reactions = {
        "survey": lambda mail: world.once("bad", HOUR, lambda: world.answer(mail, "Still broken", csat=2)),
        "notice-recovery-1-": lambda mail: world.once("look", HOUR, lambda: _look(world, mail)),
    }
    world.resolve("lamp", PAT)


def _look(world: World, notice: Any) -> None:
    page = world.stack.request("GET", f"{notice.path('w')}?mail=survey")
    assert (page.status, b"http://127.0.0.1:8000/a/" in page.body) == (200, True)


def news_comes_twice(world: World) -> None:
    """The worker is not woken, and old news of a reminder comes again before the reconciler: it finds a mail owed."""
    world.reactions = {"reminder": lambda mail: world.once("bad", HOUR, lambda: _answered_amid_news(world, mail))}
    world.resolve("lamp", PAT)


def _answered_amid_news(world: World, mail: Any) -> None:
    at = mail.sent_at.isoformat()
    tags = {"journey": [mail.journey_id], "effect": [mail.effect], "kind": [mail.kind]}
    told = {
        "eventType": "Bounce",
        "mail": {"timestamp": at, "messageId": "m", "tags": tags, "destination": ["old@example.net"]},
    }
    body = json.dumps({"detail": told | {"bounce": {"bounceType": "Permanent", "timestamp": at}}})
    world.stack.take("feedback", {"MessageId": "", "ReceiptHandle": "", "Body": body})
    world.answer(mail, "Still broken", csat=2)
    again = {"MessageId": "", "ReceiptHandle": "", "Body": body}
    world.later(READING, lambda: world.stack.take("feedback", again))


def console(world: World) -> None:
    """An admin signs in by mail and changes the secret with which other systems sign."""
    admin = Browser(world.stack)
    admin.sign_in(ADDRESS["admin"])
    admin.get("/console/secrets")
    assert admin.press("/console/secrets").status == 201


def replies(world: World) -> None:
    """A customer writes back while a recovery is owed its first mail, and once to a journey that nobody can wake."""
    world.reactions = {"survey": lambda mail: world.once("bad", HOUR, lambda: _answered_and_written(world, mail))}
    world.resolve("lamp", PAT)


def last_words(world: World) -> None:
    """A customer writes back and opts out; the reply is told again while the alarm is still to be removed."""
    world.reactions = {"survey": lambda mail: world.once("enough", HOUR, lambda: _written_and_left(world, mail))}
    world.resolve("lamp", PAT)


def _written_and_left(world: World, mail: Any) -> None:
    raw = _reply(mail)
    world.stack.receive_mail(raw)
    world.stack.settle()
    world.press(mail.path("o"), {"scope": "everything"})
    world.later(READING, lambda: world.stack.receive_mail(raw))


def _reply(mail: Any) -> bytes:
    to = next(line for line in mail.raw.decode().splitlines() if line.startswith("Reply-To: "))
    return f"To: {to.removeprefix('Reply-To: ')}\nMessage-ID: <1@x>\n\nMy lawyer will call you".encode()


def _answered_and_written(world: World, mail: Any) -> None:
    raw = _reply(mail)
    world.stack.receive_mail(raw)
    world.stack.settle()
    world.answer(mail, "Still broken", csat=2)
    world.later(READING, lambda: world.stack.receive_mail(raw))  # told again, it finds the acknowledgement still owed
    world.later(HOUR, lambda: world.stack.receive_mail(raw.replace(b"<1@x>", b"<2@x>")))


def lost_bounces(world: World) -> None:
    """Nobody told of two bounces, one of them of an address that its customer no longer has; a third is nobody's."""
    world.resolve("lamp", PAT)
    moved = {**PAT, "customer_id": "c-moved", "email": "old@example.net"}
    world.resolve("chair", moved)
    world.later(HOUR, lambda: world.resolve("table", {**moved, "email": "new@example.net"}))
    gone = {**PAT, "customer_id": "c-gone", "email": "gone@example.net"}
    world.resolve("shelf", gone)
    put = world.stack.account.ses.put_suppressed_destination
    world.later(100 * DAY, lambda: put(EmailAddress="gone@example.net", Reason="BOUNCE"))
    for address in (PAT["email"], "old@example.net", "nobody@example.net"):
        world.later(2 * HOUR, lambda address=address: put(EmailAddress=address, Reason="BOUNCE"))


TOLD: dict[str, tuple[Callable[[World], None], tuple[Trouble, ...]]] = {
    **{name: (story.play, ()) for name, story in STORIES.items()},
    "silence": (silence, ()),
    "documents": (documents, ()),
    "console": (console, ()),
    "a mail is read again": (reads_a_mail, ()),
    "a customer writes back and leaves": (
        last_words,
        (Trouble("api_handler", "sqs.SendMessage", work_is_lost, always=True),),
    ),
    "a customer writes back": (
        replies,
        (Trouble("api_handler", "sqs.SendMessage", work_is_lost, always=True),),
    ),
    "old news of a mail while another is owed": (
        news_comes_twice,
        (Trouble("api_handler", "sqs.SendMessage", work_is_lost, always=True),),
    ),
    "the bucket cannot be had when a mail goes": (silence, (Trouble("on_alarms", "s3.PutObject", out_of_reach),)),
    "bus": (bus, ()),
    "figures": (figures, ()),
    "rooms": (rooms, ()),
    "erasure": (erasure, ()),
    "the worker is not woken for an erasure": (
        erasure,
        (Trouble("api_handler", "sqs.SendMessage", work_is_lost, always=True),),
    ),
    "an erasure cannot be committed": (erasure, (Trouble("api_handler", COMMIT, erasure_out_of_reach, always=True),)),
    "put aside": (put_aside, (Trouble("on_inbox", COMMIT, out_of_reach),) * LAST_TRY),
    "lost bounces": (lost_bounces, ()),
    "lost alarm": (lost_alarm, (Trouble("on_reconcile", COMMIT, rung_meanwhile),)),
    "an alarm rings twice": (silence, (Trouble("on_alarms", COMMIT, rung_meanwhile),)),
    "pages cannot commit": (
        STORIES["recovery"].play,
        (Trouble("api_handler", COMMIT, out_of_reach, always=True),),
    ),
    "pages do not hear that they committed": (
        STORIES["survey"].play,
        (Trouble("api_handler", COMMIT, no_answer, after=True, always=True),),
    ),
    "the worker is never woken": (
        STORIES["recovery"].play,
        (Trouble("api_handler", "sqs.SendMessage", work_is_lost, always=True),),
    ),
    "SES never answers": (
        STORIES["survey"].play,
        (Trouble("on_alarms", "sesv2.SendEmail", no_answer, after=True, always=True),),
    ),
    "a customer opts out while the alarm is set": (
        silence,
        (Trouble("on_alarms", "scheduler.CreateSchedule", opted_out_meanwhile),),
    ),
    "the alarm of a bounced mail stays at first": (
        STORIES["bounce"].play,
        (Trouble("on_feedback", "scheduler.DeleteSchedule", out_of_reach),),
    ),
}


# -- recording -------------------------------------------------------------------------------------------------


class Recorder:
    """One story, every call made in it, and every right that each function needed."""

    def __init__(self, troubles: tuple[Trouble, ...]) -> None:
        self.world = World({}, figures=True)
        # it looks into the table while a function runs, which is no call of the function's
        self.world.boundary.watch = lambda name: None
        # every function of AWS reads the secrets for itself
        self.world.stack.cold = True
        self.used: defaultdict[str, set[Use]] = defaultdict(set)
        self.calls: set[str] = set()
        self._troubles = list(troubles)
        account = self.world.stack.account
        account.on_call, account.after_call = self._before, self._after

    def _before(self, service: str, operation: str, params: dict) -> None:
        if self.world.stack.running:
            self.calls.add(f"{service}.{operation}")
            self.used[self.world.stack.running].update(uses(service, operation, params))
            self._meet(f"{service}.{operation}", params, after=False)

    def _after(self, service: str, operation: str, params: dict) -> None:
        if self.world.stack.running:
            self._meet(f"{service}.{operation}", params, after=True)

    def _meet(self, call: str, params: dict, *, after: bool) -> None:
        here = (self.world.stack.running, call, after)
        for trouble in [each for each in self._troubles if (each.function, each.call, each.after) == here]:
            if not trouble.always:
                self._troubles.remove(trouble)
            trouble.act(self.world, params)

    def unmet(self) -> list[Trouble]:
        return [trouble for trouble in self._troubles if not trouble.always]


@cache
def recorded(story: str) -> Recorder:
    """Return the record of a story."""
    play, troubles = TOLD[story]
    recorder = Recorder(troubles)
    play(recorder.world)
    recorder.world.live(until=START + LONG_ENOUGH)
    assert recorder.unmet() == []
    return recorder


@cache
def used() -> dict[str, frozenset[Use]]:
    """Return all that each function needs, with what Lambda does in its name."""
    return {
        function: frozenset().union(by_lambda(function), *(recorded(story).used[function] for story in TOLD))
        for function in FUNCTIONS
    }


def by_lambda(function: str) -> Iterator[Use]:
    """Yield what no call of ours shows, because Lambda makes it with the function's role: the only such rights.

    Source: Lambda Developer Guide, "Sending function logs to CloudWatch Logs" and "Configuring an SQS event source".
    """
    stream = arn("logs", f"log-group:{LOG_GROUPS[function]}:log-stream:2026/03/02/[$LATEST]0")
    yield from (Use(action, stream) for action in ("logs:CreateLogStream", "logs:PutLogEvents"))
    if function.removeprefix("on_") in {"inbox", "work", "alarms", "feedback", "reply"}:
        queue = arn("sqs", f"aftercare-{STAGE}-{function.removeprefix('on_')}")
        for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
            yield Use(action, queue)


def test_the_stories_make_every_call_that_the_product_can_make():
    modules = (ROOT / "chalicelib").rglob("*.py")
    written = {method for module in modules for method in _CALL.findall(module.read_text("utf-8"))}
    made = set().union(*(recorded(story).calls for story in TOLD))
    assert made == ASKED.keys()
    assert {camel_case(method) for method in written} == {call.partition(".")[2] for call in made}


# -- what the roles must be ------------------------------------------------------------------------------------


def test_each_right_that_is_used_is_granted_and_each_that_is_granted_is_used():
    assert mismatches(used(), policies.render(STAGE, OUTPUTS)) == []


def test_the_function_of_pages_and_calls_can_neither_send_mail_nor_set_alarms_nor_delete_anything():
    rights = granted(policies.render(STAGE, OUTPUTS)["api_handler"])
    assert {f"{right.action} {right.resource.rpartition(':')[2]}" for right in rights} == {
        "dynamodb:BatchGetItem table/aftercare-dev",
        "dynamodb:ConditionCheckItem table/aftercare-dev",
        *(f"dynamodb:Query table/aftercare-dev/index/{name}" for name in ("all", "kind", "about", "due")),
        "dynamodb:GetItem table/aftercare-dev",
        "dynamodb:PutItem table/aftercare-dev",
        "dynamodb:Query table/aftercare-dev",
        "dynamodb:UpdateItem table/aftercare-dev",
        f"s3:GetObject {BUCKET}/sent/*",
        f"s3:ListBucket {BUCKET}",
        "logs:CreateLogStream *",
        "logs:PutLogEvents *",
        "sqs:SendMessage aftercare-dev-inbox",
        "sqs:SendMessage aftercare-dev-work",
        "ssm:GetParameters parameter/aftercare/dev/link-keys",
        "ssm:GetParameters parameter/aftercare/dev/sign-in-provider",
        "ssm:GetParameters parameter/aftercare/dev/webhook-keys",
        "ssm:PutParameter parameter/aftercare/dev/webhook-keys",
    }


def test_each_function_logs_to_its_own_group_only():
    rendered = policies.render(STAGE, OUTPUTS)
    logs = {
        name: {one.resource for one in granted(each) if one.action[:4] == "logs"} for name, each in rendered.items()
    }
    assert logs == {name: {arn("logs", f"log-group:{group}:*")} for name, group in LOG_GROUPS.items()}


# -- the comparison finds what it should -----------------------------------------------------------------------


def _found(asked: Roles) -> set[str]:
    """Return the mismatches of changed roles, without their resources."""
    return {line.rpartition(" on ")[0] for line in mismatches(used(), policies.render(STAGE, OUTPUTS, asked))}


def _with_grant(name: str, **changes: Any) -> Roles:
    roles = policies.roles()
    return replace(roles, grants=roles.grants | {name: replace(roles.grants[name], **changes)})


def _who_may(grant: str) -> list[str]:
    return [name for name, function in policies.roles().functions.items() if grant in function.may]


ACTIONS = [(name, action) for name, grant in policies.roles().grants.items() for action in grant.actions]
RESOURCES = [(name, resource) for name, grant in policies.roles().grants.items() for resource in grant.resources]
STRANGE = [
    (function, grant)
    for function, role in policies.roles().functions.items()
    for grant in policies.roles().grants
    if grant not in role.may and grant not in {"be fed", "update in place"}
]


@pytest.mark.parametrize(("grant", "action"), ACTIONS)
def test_an_action_that_is_taken_away_is_missed_by_each_function_that_had_it(grant, action):
    left = [each for each in policies.roles().grants[grant].actions if each != action]
    assert _found(_with_grant(grant, actions=left)) == {f"{name} may not {action}" for name in _who_may(grant)}


@pytest.mark.parametrize(("grant", "resource"), RESOURCES)
def test_a_resource_that_is_taken_away_is_missed_by_each_function_that_had_it(grant, resource):
    before = policies.roles().grants[grant]
    left = [each for each in before.resources if each != resource]
    lost = {f"{name} may not {action}" for name in _who_may(grant) for action in before.actions}
    assert _found(_with_grant(grant, resources=left)) == lost


@pytest.mark.parametrize("grant", policies.roles().grants)
def test_an_action_that_is_added_is_idle_in_each_function_that_gets_it(grant):
    more = [*policies.roles().grants[grant].actions, "dynamodb:DeleteTable"]
    idle = {f"{name} never needs dynamodb:DeleteTable" for name in _who_may(grant)}
    assert _found(_with_grant(grant, actions=more)) == idle


@pytest.mark.parametrize(("function", "grant"), STRANGE)
def test_a_grant_that_is_given_to_a_function_without_need_is_idle(function, grant):
    roles = policies.roles()
    role = replace(roles.functions[function], may=[*roles.functions[function].may, grant])
    asked = replace(roles, functions=roles.functions | {function: role})
    before, after = ({*granted(policies.render(STAGE, OUTPUTS, each)[function])} for each in (roles, asked))
    assert _found(asked) == {f"{function} never needs {right.action}" for right in after - before}


def test_a_function_without_a_role_and_a_role_without_a_function_are_found():
    roles = policies.roles()
    others = {name: function for name, function in roles.functions.items() if name != "on_work"}
    renamed = replace(roles, functions=others | {"on_walk": roles.functions["on_work"]})
    assert {line.split()[0] for line in _found(renamed)} == {"on_walk", "on_work"}


def test_a_role_may_be_lent_to_the_scheduler_only():
    elsewhere = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    found = _found(_with_grant("lend the scheduler its role", condition=elsewhere))
    words = ("may not", "never needs")
    assert found == {
        f"{name} {each} iam:PassRole" for name in _who_may("lend the scheduler its role") for each in words
    }
