"""The page on which customers answer a survey or a check-in, and the decoy that no person opens."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from chalice import Response

from chalicelib.effects import letters, rendering
from chalicelib.effects.words import N_, Words
from chalicelib.entry import http
from chalicelib.entry.desk import OUTSIDE
from chalicelib.entry.pages import press
from chalicelib.entry.pages.answer_form import AnswerForm, rated, score, too_long, written
from chalicelib.entry.pages.reception import (
    A_PERSON_READS,
    Reception,
    Visit,
    fields_of,
    identity,
    only_switches,
    speaks,
)
from chalicelib.journey import answers, clock
from chalicelib.journey.documents import SCALES, Documents
from chalicelib.journey.events import AnswerGiven, Event, Evidence
from chalicelib.journey.state import Answer, Journey, Person
from chalicelib.links import BadLink, Link, Shown
from chalicelib.pipeline import Handled
from chalicelib.store.decoys import Decoys

_CALL_BACK_NOTED = N_("You asked to be called back: that is noted.")


class Answers:
    """Shows the questions and takes the answers."""

    def __init__(self, reception: Reception, decoys: Decoys) -> None:
        """Keep its partners."""
        self._at = reception
        self._decoys = decoys

    def show(self, request: Any, token: str) -> Response:
        """Show the questions of a survey or check-in, with the rating of the link marked."""

        def show(visit: Visit) -> Response | None:
            form = visit.form(self._at.now())
            if form is None:
                return None
            marked: dict[str, str] = {form.asked[0].measure: http.query(request, "r")}
            return self._page(visit, form, marked, self._at.fresh(visit.link))

        return self._at.show(request, token, "answer", show)

    def give(self, request: Any, token: str) -> Response:
        """Take an answer: a person pressed the button."""
        fields = fields_of(request)

        def take(visit: Visit) -> Response | None:
            shown = self._at.pressed(request, visit.link, fields, visit.documents.settings.trust)
            form = visit.form(shown.at if shown else self._at.now())
            if form is None:
                return None
            if only_switches(fields):
                return self._page(visit, form, fields, self._at.same(visit.link, fields, shown))
            event = self._answer(request, visit.link, fields, shown, form) if shown else None
            if event is None:
                return self._page(visit, form, fields, self._at.fresh(visit.link), again=True)
            faults = form.faults(fields)
            if faults:
                return self._page(visit, form, fields, fields["view"], faults=faults)
            return self._at.hand_in(event, fields, visit.said, lambda handled: _thanks(handled, event.answer_id, visit))

        def keep(link: Link, shown: Shown | None) -> Event | None:
            """Nobody can say now what was asked: what stands on a scale is kept, and weighed by the worker."""
            event = self._answer(request, link, fields, shown, None) if shown else None
            return event if event and event.scores and not too_long(fields, "words") else None

        return self._at.open(request, fields, token, "answer", take, keep)

    def _answer(
        self, request: Any, link: Link, fields: dict[str, str], shown: Shown, form: AnswerForm | None
    ) -> AnswerGiven:
        """Return the fact that somebody answered, with what was seen of it. The same on the same view is the same."""
        call_back = fields.get("call_back") == "yes"
        wrong = fields.get("wrong") == "yes"
        ratings = (f"{measure}={score(measure, fields)}" for measure in SCALES)
        name = identity(shown.name, *ratings, written(fields, "words"), str(call_back), *(["wrong"] if wrong else []))
        return AnswerGiven(
            event_id=f"answer/{name}",
            occurred_at=self._at.now(),
            journey_id=link.journey_id,
            answer_id=name,
            touch_id=link.subject,
            scores=form.scores(fields) if form else rated(SCALES, fields),
            words=written(fields, "words"),
            call_back=call_back,
            evidence=self._evidence(request, link, shown),
        )

    def _evidence(self, request: Any, link: Link, shown: Shown) -> Evidence:
        """Return what was seen of a press. Of decoys nothing is known while the table cannot be read."""
        who = press.client(request, self._at.links)
        seen = Evidence(shown_at=shown.at, client=who)
        try:
            anybody = self._decoys.last_opened(link.journey_id, link.subject)
            mine = self._decoys.last_opened(link.journey_id, link.subject, who) if anybody and who else None
        except OUTSIDE:
            return seen
        return msgspec.structs.replace(seen, decoy_at=anybody, decoy_same_at=mine)

    def _page(
        self,
        visit: Visit,
        form: AnswerForm,
        fields: dict[str, str],
        view: str,
        *,
        faults: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> Response:
        context = form.context(fields, faults or {})
        opt_out = self._at.links.token(Link("opt_out", visit.journey.id, visit.link.subject))
        decoy = self._at.links.token(Link("decoy", visit.journey.id, visit.link.subject))
        context |= {"view": view, "opt_out_url": f"../o/{opt_out}", "decoy_url": f"../d/{decoy}", "again": again}
        status = 422 if faults or again else 200
        return http.page("answer", visit.brand, context, status, visit.said)

    def decoy(self, request: Any, token: str) -> Response:
        """Show a harmless page to what opens a link that no person can see; leave a note of it that expires."""
        if press.is_prefetch(request):
            return http.not_beforehand()
        said = speaks(request)
        try:
            link = self._at.links.read(token, "decoy", self._at.now())
        except BadLink:
            return self._at.bad_link(said)
        with suppress(*OUTSIDE):  # it is evidence and no more
            self._decoys.opened(link.journey_id, link.subject, press.client(request, self._at.links), self._at.now())
        return http.page("decoy", self._at.brand(self._at.now()), {}, said=said)


def _thanks(handled: Handled, answer_id: str, visit: Visit) -> Response:
    """Thank; after a bad answer name who will be in touch and by when."""
    journey, documents = handled.journey, handled.documents
    answer = next((one for one in journey.answers if one.id == answer_id), None) if journey else None
    context: dict[str, Any] = {
        "first_name": rendering.first_name(handled.person) if handled.person else None,
        "negative": False,
        "owner": None,
        "next_contact_by": None,
        "message": "",
        "wrote": answer is not None and bool(answer.words),
    }
    if journey is not None and answer is not None and answer.negative and handled.person is not None:
        context |= _who_and_when(journey, answer, handled.person, documents, visit.said)
        context["message"] = visit.said.text(_CALL_BACK_NOTED) if answer.call_back else ""
    elif answer is not None and answer.call_back and not answer.words:
        context["message"] = visit.said.text(_CALL_BACK_NOTED)
    elif answer is not None and (answer.call_back or not answer.scores):
        context["message"] = visit.said.text(A_PERSON_READS)
    return http.page("thanks", visit.brand, context, said=visit.said)


def _who_and_when(
    journey: Journey, answer: Answer, person: Person, documents: Documents, said: Words
) -> dict[str, Any]:
    # A doubtful answer opens no recovery; who looks after the one that is open already hears of it all the same.
    recovery = next((one for one in journey.recoveries if one.number == answer.recovery), journey.recovery)
    if recovery is None:
        # A person looks at it first, by then.
        look = documents.settings.calendar.add(answer.at, clock.span(answers.LOOK_WITHIN))
        by = said.hour(look, rendering.customer_zone(person, documents)) if answer.waits else None
        return {"negative": True, "next_contact_by": by}
    owner = letters.owner_of(recovery, documents)
    by = letters.next_contact(recovery, person, documents, answer.at, said)
    return {"negative": True, "owner": rendering.staff(owner, said), "next_contact_by": by}
