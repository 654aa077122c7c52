"""The documents of a CX lead: cadence, playbook, settings, staff directory.

Each is versioned in the store; a journey pins the cadence and the playbook with which it starts. Every document
carries ``form``, the version of its shape. ``read`` validates and names the field that is wrong.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeVar, get_args

import msgspec

from chalicelib.journey import clock, source
from chalicelib.journey.errors import BadDocument

Measure = Literal["csat", "nps", "ces", "solved", "come_back", "heard", "fair"]
Anchor = Literal["redress_delivered", "answer"]
Severity = Literal["P1", "P2", "P3"]
Act = Literal["take", "apologise", "propose", "deliver", "thank", "debrief", "close"]
Rank = Literal["agent", "lead", "head"]
Access = Literal["none", "viewer", "agent", "lead", "admin"]
Language = Literal["en", "es", "fr", "de", "pt", "ja", "ar"]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}\Z")]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Many = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]

#: A text that customers read: plain, or in several languages (``{"en": "…", "de": "…"}``).
Said = Text | Annotated[dict[Language, Text], msgspec.Meta(min_length=1)]
#: The languages that customers are written to in. English is the source of the others.
LANGUAGES: tuple[str, ...] = get_args(Language)

#: Lowest and highest answer of each measure.
SCALES: dict[str, tuple[int, int]] = {
    "csat": (1, 5),
    "nps": (0, 10),
    "ces": (1, 7),
    "solved": (0, 1),
    "come_back": (1, 5),
    "heard": (1, 5),
    "fair": (1, 5),
}
#: What the counters of mail remember.
LONGEST_WINDOW = timedelta(days=7)
#: Ids that the touches of the survey have.
_RESERVED = {"survey", "reminder"}


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One short item on an answer page."""

    measure: Measure
    text: Said
    required: bool = False


class Reminder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One more mail of the same ask, so long after the first was sent."""

    after: str


class SurveyTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the survey asks instead about cases of these categories, as the helpdesk names them (capitals or not)."""

    name: Name
    categories: tuple[Text, ...]
    questions: tuple[Question, ...]


class Survey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When and what to ask after a resolution. Durations are ISO 8601.

    ``questions`` are about the service. A case whose category a template names is asked that template's instead.
    """

    after: str
    latest_useful: str
    answer_window: str
    questions: tuple[Question, ...]
    reminders: tuple[Reminder, ...] = ()
    cancel_if: tuple[str, ...] = ()
    templates: tuple[SurveyTemplate, ...] = ()

    def about(self, category: str) -> tuple[Question, ...]:
        """Return what is asked about a case of that category."""
        wanted = category.strip().casefold()
        found = (one for one in self.templates if wanted in (name.strip().casefold() for name in one.categories))
        template = next(found, None)
        return template.questions if template else self.questions


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check-in. ``after`` counts from the track's anchor: a duration, ``median_ipt`` or ``p80_ipt``."""

    id: Name
    after: str
    ask: tuple[Question, ...]
    opening: Said
    latest_useful: str
    unknown: str | None = None
    clamp: tuple[str, str] | None = None
    send_only_if: Literal["no_paid_purchase_seen"] | None = None
    part_of_recovery: bool = False


class Track(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The check-ins that follow one kind of customer."""

    anchor: Anchor
    steps: tuple[Step, ...]


class Tracks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recovered, content and silent customers. The silent get no check-ins: their purchases are watched."""

    after_recovery: Track
    after_content_answer: Track


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answers at or below these are bad; ``not_solved`` counts a 'no' as bad. A missing bound is never crossed."""

    csat_max: int | None = None
    nps_max: int | None = None
    ces_max: int | None = None
    come_back_max: int | None = None
    not_solved: bool = False


class Mismatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a good score and the words beside it do not go together, so that a person should look.

    A score is good from ``score_min`` of 5, ``nps_min`` of 10 or ``ces_min`` of 7 on. Its words are angry from a
    compound score of ``compound_max`` down (VADER's, -1 to 1), or when one of ``phrases`` stands in them. English only.
    """

    score_min: Annotated[int, msgspec.Meta(ge=1, le=5)] = 4
    nps_min: Annotated[int, msgspec.Meta(ge=0, le=10)] = 9
    ces_min: Annotated[int, msgspec.Meta(ge=1, le=7)] = 6
    compound_max: Annotated[float, msgspec.Meta(ge=-1, le=1)] = -0.3
    phrases: tuple[Annotated[str, msgspec.Meta(min_length=3, max_length=80)], ...] = (
        *("never again", "never buy", "last time i", "waste of", "rip off", "ripped off", "scam", "unacceptable"),
        *("disgust", "appalling", "disgrace", "shame on", "fed up", "sick of", "still not", "still waiting"),
        *("still broken", "not happy", "unhappy", "not satisfied", "dissatisfied", "disappoint", "cancel my"),
        *("want my money back", "make a complaint", "bad review", "wrong button", "pressed the wrong"),
    )
    within: str = "P1BD"


class Weighing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which answers open a recovery, which a person should look at, and which words make it urgent."""

    negative: Threshold
    relapse_p1: Threshold
    relapse_p2: Threshold
    severity_p2: Threshold
    look: Threshold
    urgent_words: tuple[str, ...]
    mismatch: Mismatch = Mismatch()


class Loyalty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Attitude and behaviour and no new failure: only then is loyalty confirmed."""

    csat_min: int
    nps_min: int
    come_back_min: int
    measured_at_least: str
    paid_purchases_min: Count
    paid_purchases_min_if_median_ipt_under_30d: Count
    within: Literal["p80_ipt"]
    within_unknown: str
    within_clamp: tuple[str, str]
    expires: str


class Cadence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When to survey, remind and check in, how answers are weighed, and the loyalty rule."""

    form: Literal[1]
    name: Name
    survey: Survey
    tracks: Tracks
    weighing: Weighing
    loyalty: Loyalty
    unanswered_checkins_before_human_try: Count = 2

    def step(self, step_id: str) -> Step | None:
        """Return the check-in of that id on either track, or None."""
        steps = (*self.tracks.after_recovery.steps, *self.tracks.after_content_answer.steps)
        return next((step for step in steps if step.id == step_id), None)


class Targets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time target for each severity, in working time."""

    P1: str
    P2: str
    P3: str

    def of(self, severity: Severity) -> clock.Span:
        """Return the target of that severity."""
        return clock.span({"P1": self.P1, "P2": self.P2, "P3": self.P3}[severity])


class PlaybookStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One act of staff, in its order. ``clock`` says from when its target counts."""

    act: Act
    label: Text
    target: Targets
    clock: Literal["opened", "accepted", "delivered"] = "opened"


class Escalation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to tell when that share of a target has passed."""

    at_percent: Count
    tell: tuple[Rank, ...]


class Playbook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps, time targets and escalation of a recovery."""

    form: Literal[1]
    name: Name
    steps: tuple[PlaybookStep, ...]
    escalation: tuple[Escalation, ...]
    failures_for_p1: Count
    failures_within: str
    deliver_without_word_after: str
    lost_after_falls_short: str
    idle_look_every: str

    def step(self, act: str) -> PlaybookStep | None:
        """Return the step of that act, or None when the playbook has none."""
        return next((step for step in self.steps if step.act == act), None)


class Sender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The named person in whose name automatic mails are sent."""

    name: Text
    role: Said


class Brand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the company looks and is reached in every mail and page.

    A further brand has an ``id``, which cases name, and may look after whole teams. Shades that can be read on light
    and on dark are worked out from ``colour``: no colour is refused.
    """

    name: Text
    colour: Annotated[str, msgspec.Meta(pattern=r"^#[0-9a-fA-F]{6}\Z")]
    postal_address: Text
    site_url: Annotated[str, msgspec.Meta(pattern=r"^https?://")]
    sender: Sender
    phone: Text | None = None
    phone_hours: Said | None = None
    logo_url: Annotated[str, msgspec.Meta(pattern=r"^https?://")] | None = None
    id: Name | None = None
    teams: tuple[str, ...] = ()


class Fatigue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contact budget of one person, across all journeys."""

    survey_gap: str
    any_gap: str
    checkin_gap: str
    max_survey_invites_365d: Count
    checkins_max_per_failure: Count
    look_again: str


class MailRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the sending of mail is reconciled, and how long mail that came back for now waits before each new try."""

    settle_within: str
    attempts_max: Count
    retry_after: tuple[str, ...] = ("PT4H", "P1D", "P2D")


class BreakerRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When asks and news stop by themselves: at these shares of bounces or complaints among the mails of the window.

    SES reviews an account at 5% and 0.1%. ``judge_since`` is a lead's word: what happened before it is forgiven.
    """

    bounce_share: Share = 0.02
    complaint_share: Share = 0.0008
    window: str = "P1D"
    sends_min: Many = 500
    look_again: str = "PT1H"
    judge_since: datetime | None = None


class Fuses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most mails that machines may send in one day of UTC: to one customer's address, to all, to one of staff."""

    contact_per_day: Many = 10
    deployment_per_day: Many = 50_000
    staff_per_day: Many = 300


class Mandate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person may spend on one recovery without approval: a share of what the customer spends in a year.

    It is never less than ``min`` nor more than ``max``, and ``max`` where a customer's year is not known.
    """

    percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    min: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 25
    max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 250


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which answers look automatic, in durations. The reasons are in `journey.trust`.

    ``after_delivery`` and ``after_view`` are sooner than a person can be; different ratings that come ``together``,
    another rating by another client that comes ``another_client_within`` of the first, and an answer ``decoy_within``
    of a decoy's opening are a machine's. ``view_lasts`` is how long a page that was shown can be sent.
    """

    after_delivery: str = "PT5S"
    after_view: str = "PT1S"
    together: str = "PT10S"
    another_client_within: str = "PT1H"
    decoy_within: str = "PT2M"
    view_lasts: str = "P1D"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for the whole deployment: brand, hours, budget, and the language of whom no other is known to suit."""

    form: Literal[1]
    name: Name
    brand: Brand
    waking_hours: clock.Window
    default_zone: str
    calendar: clock.Calendar
    fatigue: Fatigue
    mail: MailRules
    pause: str
    parked_at_most: str
    breaker: BreakerRules = BreakerRules()
    fuses: Fuses = Fuses()
    language: Language = "en"
    mandate: Mandate = Mandate()
    brands: tuple[Brand, ...] = ()
    trust: Trust = Trust()

    def brand_of(self, name: str, team: str) -> Brand:
        """Return the brand that a case names, else that of its team, else the deployment's."""
        named = (brand for brand in self.brands if name and brand.id == name)
        teams = (brand for brand in self.brands if team and team in brand.teams)
        return next(named, None) or next(teams, self.brand)


#: What a rank may do in the console, unless a member's own ``access`` says otherwise.
ACCESS_OF: dict[Rank, Access] = {"agent": "agent", "lead": "lead", "head": "admin"}


class StaffMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One person of the staff directory. A calendar of their own overrides the deployment's.

    ``access`` is what they may do in the console; without it, what their rank may. ``subject`` is how the company's
    own sign-in calls them, where there is one.
    """

    id: Name
    name: Text
    email: Annotated[str, msgspec.Meta(pattern=r"^[^@\s<>\"]+@[^@\s<>\"]+\Z", max_length=254)]
    role: Said
    rank: Rank
    teams: tuple[str, ...]
    calendar: clock.Calendar | None = None
    access: Access | None = None
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None

    @property
    def may(self) -> Access:
        """Return what this member may do in the console."""
        return self.access or ACCESS_OF[self.rank]


class Staff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The staff directory. Team ``*`` takes what no other team is named for."""

    form: Literal[1]
    name: Name
    members: Annotated[tuple[StaffMember, ...], msgspec.Meta(min_length=1)]

    def member(self, staff_id: str) -> StaffMember | None:
        """Return that member, or None."""
        return next((member for member in self.members if member.id == staff_id), None)

    def of_rank(self, rank: str, team: str) -> tuple[StaffMember, ...]:
        """Return the members of that rank for a team, else those for every team, else of the next rank."""
        ranks = ("agent", "lead", "head")
        for wanted in ranks[ranks.index(rank) :]:
            of_rank = [member for member in self.members if member.rank == wanted]
            named = tuple(member for member in of_rank if team in member.teams)
            found = named or tuple(member for member in of_rank if "*" in member.teams)
            if found:
                return found
        return self.members[:1]


class Documents(msgspec.Struct, frozen=True):
    """The documents that one decision reads: the pinned cadence and playbook, the current settings and staff."""

    cadence: Cadence
    playbook: Playbook
    settings: Settings
    staff: Staff
    cadence_version: int = 1
    playbook_version: int = 1


Document = Cadence | Playbook | Settings | Staff
KINDS: dict[str, type[Document]] = {
    "cadence": Cadence,
    "playbook": Playbook,
    "settings": Settings,
    "staff": Staff,
}
D = TypeVar("D", Cadence, Playbook, Settings, Staff)


def read(kind: str, raw: bytes) -> Document:
    """Read and check one document of that kind.

    Raises BadDocument, whose message names the field by its path (``$.survey.after``) or, for text that is not JSON,
    the position in it; its ``line`` is where to look.
    """
    if kind not in KINDS:
        message = f"{kind!r} is no kind of document; there are {', '.join(KINDS)}"
        raise BadDocument(message)
    try:
        document = msgspec.json.decode(raw, type=KINDS[kind])
        _check(document)
    except (msgspec.DecodeError, UnicodeDecodeError, BadDocument) as error:
        raise _with_line(str(error), raw) from error
    return document


#: Where msgspec, and the checks below, name the path of what is wrong.
_PATH = re.compile(r" - at `(?P<path>\$[^`]*)`\Z")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_BYTE = re.compile(r"\(byte (?P<offset>\d+)\)")


def _with_line(message: str, raw: bytes) -> BadDocument:
    """Return the complaint and the line that it is about, for people edit text and not paths."""
    named, broken, unknown = (form.search(message) for form in (_PATH, _BYTE, _UNKNOWN))
    path = named["path"] if named else "$"
    inner = f"{path}.{unknown['name']}" if unknown else path
    try:
        line = source.line_of(raw.decode(), inner)
    except ValueError:  # no JSON: the message has the byte, or the text ends too early
        line = source.line_at(raw, int(broken["offset"]) if broken else len(raw))
    return BadDocument(message, path=path, line=line)


def _check(document: Document) -> None:
    """Check what a type cannot say: durations, zones, order, references."""
    if isinstance(document, Cadence):
        _check_cadence(document)
    elif isinstance(document, Playbook):
        _check_playbook(document)
    elif isinstance(document, Settings):
        _check_settings(document)
    else:
        _check_staff(document)


def _duration(path: str, text: str, *, elapsed: bool = True) -> timedelta:
    try:
        return clock.elapsed(text) if elapsed else clock.span(text).elapsed
    except BadDocument as error:
        message = f"{error} - at `{path}`"
        raise BadDocument(message) from error


def _some_time(path: str, text: str) -> timedelta:
    """Check a duration that must not be zero: somebody would wait for ever, or not at all."""
    length = _duration(path, text)
    if not length:
        _refuse(path, "this must be longer than nothing")
    return length


def _refuse(path: str, why: str) -> None:
    message = f"{why} - at `{path}`"
    raise BadDocument(message)


def _check_cadence(cadence: Cadence) -> None:
    survey = cadence.survey
    for name in ("after", "latest_useful"):
        _duration(f"$.survey.{name}", getattr(survey, name))
    window = _some_time("$.survey.answer_window", survey.answer_window)
    _check_questions("$.survey.questions", survey.questions)
    _check_templates(survey.templates)
    for i, reminder in enumerate(survey.reminders):
        if _duration(f"$.survey.reminders[{i}].after", reminder.after) >= window:
            _refuse(f"$.survey.reminders[{i}].after", "the reminder comes after the answer window has closed")
    for name, track in (
        ("after_recovery", cadence.tracks.after_recovery),
        ("after_content_answer", cadence.tracks.after_content_answer),
    ):
        _check_track(f"$.tracks.{name}", track)
    _check_loyalty(cadence.loyalty)
    _duration("$.weighing.mismatch.within", cadence.weighing.mismatch.within, elapsed=False)


def _check_templates(templates: tuple[SurveyTemplate, ...]) -> None:
    """Every category has one template at the most: which one is asked must not hang on their order."""
    seen: dict[str, str] = {}
    for i, template in enumerate(templates):
        here = f"$.survey.templates[{i}]"
        if template.name in [other.name for other in templates[:i]]:
            _refuse(f"{here}.name", "two templates have the same name")
        if not template.categories:
            _refuse(f"{here}.categories", "name at least one category of cases")
        for j, category in enumerate(template.categories):
            other = seen.setdefault(category.strip().casefold(), template.name)
            if other != template.name:
                _refuse(f"{here}.categories[{j}]", f"the template {other!r} is for {category!r} too")
        _check_questions(f"{here}.questions", template.questions)


def _check_questions(path: str, questions: tuple[Question, ...]) -> None:
    if not 1 <= len(questions) <= 3:  # noqa: PLR2004 - the limit is the cadence's own: three short items at most
        _refuse(path, "a page asks one to three items")
    measures = [question.measure for question in questions]
    if len(set(measures)) < len(measures):
        _refuse(path, "the same measure is asked twice")


def _check_track(path: str, track: Track) -> None:
    ids = [step.id for step in track.steps]
    if len(set(ids)) < len(ids):
        _refuse(f"{path}.steps", "two steps have the same id")
    for i, step in enumerate(track.steps):
        here = f"{path}.steps[{i}]"
        if step.id in _RESERVED:
            _refuse(f"{here}.id", f"{step.id!r} is the name of another mail")
        _check_questions(f"{here}.ask", step.ask)
        _duration(f"{here}.latest_useful", step.latest_useful)
        if step.after in {"median_ipt", "p80_ipt"}:
            _check_rhythm(here, step)
        else:
            _duration(f"{here}.after", step.after)


def _check_rhythm(path: str, step: Step) -> None:
    if step.unknown is None:
        _refuse(f"{path}.unknown", f"{step.after} needs `unknown`: what to use before a rhythm is known")
    else:
        _duration(f"{path}.unknown", step.unknown)
    _check_clamp(f"{path}.clamp", step.clamp or ())


def _check_clamp(path: str, clamp: tuple[str, ...]) -> None:
    bounds = [_duration(f"{path}[{i}]", bound) for i, bound in enumerate(clamp)]
    if bounds != sorted(bounds):
        _refuse(path, "the lower bound comes first")


def _check_loyalty(loyalty: Loyalty) -> None:
    for name in ("measured_at_least", "within_unknown", "expires"):
        _duration(f"$.loyalty.{name}", getattr(loyalty, name))
    _check_clamp("$.loyalty.within_clamp", loyalty.within_clamp)


def _check_playbook(playbook: Playbook) -> None:
    acts = [step.act for step in playbook.steps]
    if len(set(acts)) < len(acts):
        _refuse("$.steps", "an act stands twice")
    if acts[:1] != ["take"] or acts[-1:] != ["close"]:
        _refuse("$.steps", "the first act is take and the last is close")
    if "deliver" not in acts or "propose" not in acts[: acts.index("deliver")]:
        _refuse("$.steps", "between them stand propose and then deliver: the check-ins count from the delivery")
    for i, step in enumerate(playbook.steps):
        for severity in ("P1", "P2", "P3"):
            _duration(f"$.steps[{i}].target.{severity}", getattr(step.target, severity), elapsed=False)
    percents = [rung.at_percent for rung in playbook.escalation]
    if percents != sorted(set(percents)):
        _refuse("$.escalation", "the percents must rise")
    for name in ("failures_within", "deliver_without_word_after", "lost_after_falls_short"):
        _duration(f"$.{name}", getattr(playbook, name))
    _some_time("$.idle_look_every", playbook.idle_look_every)


def _check_settings(settings: Settings) -> None:
    _check_brands(settings.brands)
    for path, name in (("$.default_zone", settings.default_zone), ("$.calendar.zone", settings.calendar.zone)):
        _check_zone(path, name)
    _check_window("$.waking_hours", settings.waking_hours)
    _check_calendar("$.calendar", settings.calendar)
    for name in ("survey_gap", "any_gap", "checkin_gap"):
        _duration(f"$.fatigue.{name}", getattr(settings.fatigue, name))
    _some_time("$.fatigue.look_again", settings.fatigue.look_again)
    _duration("$.mail.settle_within", settings.mail.settle_within)
    for i, pause in enumerate(settings.mail.retry_after):
        _some_time(f"$.mail.retry_after[{i}]", pause)
    _check_breaker(settings.breaker)
    _duration("$.pause", settings.pause)
    _duration("$.parked_at_most", settings.parked_at_most)
    for name in ("after_delivery", "after_view", "together", "another_client_within", "decoy_within"):
        _duration(f"$.trust.{name}", getattr(settings.trust, name))
    _some_time("$.trust.view_lasts", settings.trust.view_lasts)


def _check_brands(brands: tuple[Brand, ...]) -> None:
    for i, brand in enumerate(brands):
        if brand.id is None:
            _refuse(f"$.brands[{i}].id", "a further brand has an id: by that cases name it")
        if brand.id in {other.id for other in brands[:i]}:
            _refuse(f"$.brands[{i}].id", "two brands have the same id")


def _check_breaker(breaker: BreakerRules) -> None:
    if not timedelta(hours=1) <= _duration("$.breaker.window", breaker.window) <= LONGEST_WINDOW:
        _refuse("$.breaker.window", f"the window is between an hour and {LONGEST_WINDOW.days} days")
    _some_time("$.breaker.look_again", breaker.look_again)
    if breaker.judge_since is not None and breaker.judge_since.tzinfo is None:
        _refuse("$.breaker.judge_since", "an instant names its offset from UTC, like 2026-03-02T09:00:00Z")


def _check_zone(path: str, name: str) -> None:
    try:
        clock.zone(name)
    except ValueError as error:
        _refuse(path, str(error))


def _check_window(path: str, window: clock.Window) -> None:
    if window.start >= window.end:
        _refuse(path, "the hours must start before they end")


def _check_calendar(path: str, calendar: clock.Calendar) -> None:
    _check_zone(f"{path}.zone", calendar.zone)
    _check_window(f"{path}.hours", calendar.hours)
    if not calendar.weekdays or not set(calendar.weekdays) <= set(range(1, 8)):
        _refuse(f"{path}.weekdays", "weekdays are numbers from 1 (Monday) to 7, at least one")


def _check_staff(staff: Staff) -> None:
    ids = [member.id for member in staff.members]
    if len(set(ids)) < len(ids):
        _refuse("$.members", "two members have the same id")
    for i, member in enumerate(staff.members):
        if member.calendar is not None:
            _check_calendar(f"$.members[{i}].calendar", member.calendar)
