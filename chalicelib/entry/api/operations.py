"""The frame of every operation: one Python function, with the type of what it takes and the type of what it gives.

    @operation(audit="saw", about="journey/{journey_id}")
    def show(context: Context, asked: Asked) -> Shown:
        '''Show a journey.'''

The row in `entry/routes.py` says its method, path and role. ``Asked`` is a struct: what stands in the path is taken
from there, the rest from the query of a GET or the body of any other call. ``run`` is the only way to call one, for
the API and for the console: it checks the role and writes the audit, so no operation can forget either.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_type_hints

import msgspec

from chalicelib.entry import routes
from chalicelib.entry.api.problems import Forbidden
from chalicelib.entry.routes import Role, Route
from chalicelib.store.audit import Audit, Entry, Verb, audit_id

if TYPE_CHECKING:
    from chalicelib.effects.letters import Letters
    from chalicelib.entry.decode import Epochs
    from chalicelib.entry.desk import Desk
    from chalicelib.insight.rollup import Rollup
    from chalicelib.links import Links
    from chalicelib.settings import Settings
    from chalicelib.store.access import Access
    from chalicelib.store.documents import DocumentStore
    from chalicelib.store.erasure import ErasureStore
    from chalicelib.store.figures import FigureStore
    from chalicelib.store.lists import Lists
    from chalicelib.store.mails import MailArchive
    from chalicelib.store.table import Table
    from chalicelib.vault import Vault

_LONGEST_ABOUT = 300
#: So many letters of a call's name make the id of what it makes.
_CALL = 16


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operation takes that takes nothing, and gives that gives nothing."""


class Partners(Protocol):
    """What operations work with: the wiring, as they see it."""

    @property
    def desk(self) -> "Desk":
        """Where events are handed in."""

    @property
    def table(self) -> "Table":
        """Journeys, persons, facts."""

    @property
    def documents(self) -> "DocumentStore":
        """The documents of the CX lead."""

    @property
    def epochs(self) -> "Epochs":
        """The epochs of cases."""

    @property
    def lists(self) -> "Lists":
        """The lists of the console."""

    @property
    def erasures(self) -> "ErasureStore":
        """How far erasures have come."""

    @property
    def mails(self) -> "MailArchive":
        """Mails as they were sent."""

    @property
    def access(self) -> "Access":
        """Sessions and keys."""

    @property
    def audit(self) -> Audit:
        """The audit."""

    @property
    def links(self) -> "Links":
        """Signed links."""

    @property
    def settings(self) -> "Settings":
        """The settings of the stage."""

    @property
    def vault(self) -> "Vault":
        """The secrets of the stage."""

    @property
    def sample_letters(self) -> "Letters":
        """Writes mails whose links lead nowhere."""

    @property
    def figures(self) -> "FigureStore":
        """The log of the figures, and the cube."""

    @property
    def rollup(self) -> "Rollup":
        """Adds up the figures."""


class Actor(msgspec.Struct, frozen=True):
    """Who calls: a member of staff by a session, or an API key (``key/<id>``)."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True)
class Context:
    """One call. ``name`` is made of nothing but the call, so that what is made twice by mistake has one name."""

    actor: Actor
    now: datetime
    at: Partners
    name: str = field(default_factory=lambda: token_hex(16))
    #: What a reading turned out to be about, for the audit; see `about`.
    subjects: list[str] = field(default_factory=list)

    def about(self, subject: str) -> None:
        """Say what was seen, where the question does not: ``person/p123``. Ids only, never a name or an address."""
        if subject not in self.subjects:
            self.subjects.append(subject)

    @property
    def new_id(self) -> str:
        """Return the id of what this call makes: the same when the call is made again."""
        return self.name[:_CALL]

    def allows(self, role: Role) -> bool:
        """Say whether the caller's role is at least this."""
        return routes.suffices(self.actor.role, role)


F = TypeVar("F", bound=Callable[..., Any])


class Marks(msgspec.Struct, frozen=True):
    """What an operation's decorator says of it."""

    audit: Verb | Callable[[Any], Verb] | None
    about: str
    amount: str
    status: int
    media: str
    once: bool


class Operation(msgspec.Struct, frozen=True):
    """An operation, read off its row and its function."""

    route: Route
    function: Callable[[Context, Any], Any]
    takes: type[msgspec.Struct]
    gives: Any
    summary: str
    marks: Marks

    @property
    def reads(self) -> bool:
        """Say whether it changes nothing."""
        return self.route.method == "GET"


def operation(
    audit: Verb | Callable[[Any], Verb] | None = None,
    about: str = "",
    amount: str = "",
    status: int = 200,
    media: str = "application/json",
    *,
    once: bool = False,
) -> Callable[[F], F]:
    """Mark a function as an operation.

    ``audit`` is how the audit calls it: every change has to say so, a reading only when it shows or exports personal
    data; where it depends on what is asked, ``audit`` is a function of that, and ``amount`` says how much is spent, in
    the same form as ``about``. ``about`` names what it is about, with fields of the input in braces; ``{call}`` is
    `Context.new_id`.
    ``media`` is not JSON for an operation that gives a text, such as CSV. ``once`` is for a reply that holds a secret:
    it is not kept for an idempotency key.
    """

    def mark(function: F) -> F:
        function.__dict__["marks"] = Marks(audit, about, amount, status, media, once)
        return function

    return mark


@cache
def find(name: str) -> Operation:
    """Return the operation of that name (``audit.entries``); raises KeyError for one without a row in the table."""
    route = routes.named(name)
    module, _, function_name = name.partition(".")
    function = getattr(import_module(f"chalicelib.entry.api.{module}"), function_name)
    hints = get_type_hints(function, include_extras=True)
    gives = hints.pop("return")
    (takes,) = [hint for of, hint in hints.items() if of != "context"]
    return Operation(route, function, takes, gives, (function.__doc__ or "").strip(), function.marks)


def run(found: Operation, context: Context, asked: msgspec.Struct) -> Any:
    """Do what was asked, if the caller's role is enough, and write it down.

    A change is written down before it is made, so none can go unrecorded; when it is refused, a second entry says so.
    What is read is written down before it is given out.
    """
    if not routes.suffices(context.actor.role, found.route.who):
        raise Forbidden(found.route.who)
    if found.marks.audit is None:
        return found.function(context, asked)
    if found.reads:
        given = found.function(context, asked)
        for subject in context.subjects or [_about(found, context, asked)]:
            _write(found, context, asked, subject)
        return given
    subject = _about(found, context, asked)
    # What is spent stands in one entry, so that a sum over entries is right.
    _write(found, context, asked, subject, amount=_amount(found, context, asked))
    try:
        given = found.function(context, asked)
    except Exception as error:
        _write(found, context, asked, subject, came_to=type(error).__name__)
        raise
    for further in context.subjects:
        _write(found, context, asked, further)
    return given


def _about(found: Operation, context: Context, asked: msgspec.Struct) -> str:
    return found.marks.about.format_map(_named(context, asked))[:_LONGEST_ABOUT]


def _amount(found: Operation, context: Context, asked: msgspec.Struct) -> str:
    spent = callable(found.marks.audit) and found.marks.audit(asked) == "spent"
    return found.marks.amount.format_map(_named(context, asked)) if spent else ""


def _named(context: Context, asked: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(asked) | {"call": context.new_id}


def _write(
    found: Operation, context: Context, asked: msgspec.Struct, subject: str, *, amount: str = "", came_to: str = ""
) -> None:
    marks = found.marks
    assert marks.audit is not None  # noqa: S101 - the caller has looked
    verb: Verb = marks.audit(asked) if callable(marks.audit) else marks.audit
    entry = Entry(
        id=audit_id(),
        at=context.now,
        by=context.actor.id,
        role=context.actor.role,
        verb=verb,
        operation=found.route.handler,
        about=subject,
        came_to=came_to,
        amount=amount,
    )
    context.at.audit.add(entry)
