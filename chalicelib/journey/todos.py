"""What needs a person: which reasons raise it, how urgent it is, and how the list of a journey is kept short.

Wherever a decision tells staff of something, that something stands in the journey until a person or a later fact has
settled it; `attention` says what settles it. Nothing here is remembered after that: the facts are.
"""

from datetime import datetime

import msgspec

from chalicelib.journey import clock
from chalicelib.journey.documents import Documents, Severity
from chalicelib.journey.state import Todo, TodoKind


class Sort(msgspec.Struct, frozen=True):
    """What a reason for telling staff raises, how severe it is, and how long it may wait where nobody says."""

    kind: TodoKind
    severity: Severity
    within: str


#: Reasons about an open recovery, whose own to-do shows it; that need nobody any more; or that are of no journey.
NOTHING_MORE = frozenset(
    {
        *("recovery_opened", "recovery_p1", "due_soon", "overdue", "no_word", "answered_again", "proposal_accepted"),
        *("proposal_falls_short", "case_reopened", "handed_over"),
        # Of the deployment, not of the journey by way of which a lead is told.
        *("breaker_open", "fuse_contact", "fuse_deployment"),
    }
)
SORTS = {
    "urgent_words": Sort("urgent", "P1", "P1BD"),
    "call_back": Sort("call_back", "P1", "P1BD"),
    "suspect_negative": Sort("suspect", "P2", "P1BD"),
    "suspect_words": Sort("suspect", "P2", "P1BD"),
    "words_alone": Sort("reply", "P2", "P1BD"),
    "too_many_answers": Sort("reply", "P2", "P1BD"),
    "mismatch": Sort("mismatch", "P2", "P2BD"),
    "another_way": Sort("undelivered", "P2", "P1BD"),
    "mail_unknown": Sort("undelivered", "P2", "P1BD"),
    "reply": Sort("reply", "P2", "P1BD"),
    "reply_urgent": Sort("urgent", "P1", "P1BD"),
    "reply_after_end": Sort("reply", "P2", "P1BD"),
    "proposal_late": Sort("reply", "P2", "P1BD"),
    "answered_while_reopened": Sort("reply", "P2", "P1BD"),
    "never_resolved": Sort("stuck", "P3", "P2BD"),
    "lukewarm": Sort("lukewarm", "P3", "P2BD"),
    "human_try": Sort("reach_out", "P3", "P2BD"),
    "customer_lost": Sort("lost", "P3", "P5BD"),
}
#: A reason that this table does not know yet is shown rather than lost.
_OTHER = Sort("other", "P2", "P1BD")
#: Of one kind at most this many stand open in one journey: beyond that its page shows them, and the item stays small.
MOST_OF_A_KIND = 5


def raised(
    todos: tuple[Todo, ...],
    key: str,
    who: str,
    reason: str,
    about: str,
    due: datetime | None,
    now: datetime,
    documents: Documents,
) -> tuple[Todo, ...]:
    """Return the to-dos with the one that this reason raises, if any; one that stands already stays as it is."""
    if reason in NOTHING_MORE or any(todo.key == key for todo in todos):
        return todos
    sort = SORTS.get(reason, _OTHER)
    if sum(todo.kind == sort.kind for todo in todos) >= MOST_OF_A_KIND:
        return todos
    todo = Todo(
        key=key,
        kind=sort.kind,
        reason=reason,
        severity=sort.severity,
        who=who,
        raised_at=now,
        due=due or documents.settings.calendar.add(now, clock.span(sort.within)),
        about=about,
    )
    return (*todos, todo)
