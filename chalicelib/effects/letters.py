"""What each mail says: from a journey, a person and the documents to a template's values."""

from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.effects import rendering, words
from chalicelib.effects.envelope import Body, Envelope
from chalicelib.effects.words import N_, Words
from chalicelib.journey import cadence, playbook
from chalicelib.journey.documents import SCALES, Brand, Documents, Question, StaffMember
from chalicelib.journey.effects import NotifyStaff, SendSignIn
from chalicelib.journey.events import sending_of
from chalicelib.journey.state import Answer, Journey, Person, Recovery, Touch
from chalicelib.links import Link, Links, ReplyAddresses

#: How long the link in a notice lets its reader work on the recovery.
_WORK_FOR = timedelta(days=60)
#: The customer's word on a proposal, as their page offers it.
WORDS = {
    "exceeds": N_("It exceeds what I expected"),
    "meets": N_("It meets what I expected"),
    "falls_short": N_("It falls short"),
    "other": N_("I have another idea"),
}
REASONS = {
    "recovery_opened": "New recovery",
    "recovery_p1": "New recovery, most urgent",
    "answered_again": "The customer wrote again",
    "proposal_accepted": "Proposal accepted, deliver it",
    "proposal_falls_short": "The proposal falls short",
    "proposal_late": "A late word on a proposal",
    "answered_while_reopened": "A bad answer about a case that was reopened",
    "no_word": "No word on the proposal, carry it out all the same",
    "due_soon": "Due soon",
    "overdue": "Overdue",
    "case_reopened": "The case was reopened, this recovery ends",
    "customer_lost": "A customer was lost",
    "call_back": "The customer asks for a call back",
    "urgent_words": "Urgent words in an answer",
    "lukewarm": "A lukewarm answer, please look",
    "mismatch": "A good score with angry words, please look",
    "suspect_negative": "A bad answer that may not be a person's, please look",
    "suspect_words": "Words that may not be a person's, please look",
    "words_alone": "Words without a rating, please read",
    "too_many_answers": "More answers than a customer gives, please look",
    "reply": "The customer wrote back",
    "reply_urgent": "The customer wrote back, urgent or angry",
    "reply_after_end": "The customer wrote back after the journey had ended",
    "human_try": "Two check-ins unanswered, try once in person",
    "another_way": "Cannot be reached by mail, settle it another way",
    "mail_unknown": "Nobody knows whether this mail was sent, please check",
    "handed_over": "Handed over to you",
    "never_resolved": "Events came for a case that was never resolved",
    "breaker_open": "Surveys and news have stopped: too many mails come back or are marked as spam",
    "fuse_contact": "An address has had as many automatic mails today as the settings allow, more wait",
    "fuse_deployment": "As many automatic mails have gone out today as the settings allow, more wait",
}
#: What is told of the whole deployment, by way of the journey where it was noticed: nothing of that customer's.
#: What came with the notice stands under the first label.
_OF_ALL = {
    "breaker_open": (
        ("Of late", ""),
        ("What waits", "Surveys, check-ins and news, for as long as they are of use."),
        ("What goes on", "Answers to customers, what your people write, notices to staff."),
        (
            "What to do",
            "Find out why, then forgive what has been: Documents, settings, Breaker, Judge since. Or wait.",
        ),
    ),
    "fuse_contact": (
        ("Limit", ""),
        ("What waits", "What is over goes on the next day (UTC), if it is still of use."),
        (
            "What to do",
            "Look for a case that is reopened again and again. The limit is under Documents, settings, Fuses.",
        ),
    ),
    "fuse_deployment": (
        ("Limit", ""),
        ("What waits", "What is over goes on the next day (UTC), if it is still of use."),
        ("What to do", "A busy day? Then raise it: Documents, settings, Fuses. If not, look for a loop."),
    ),
}
#: Its mails have an id of another form than those of all other Regions. Source: mails as they arrive.
_FIRST_REGION = "us-east-1"


class Letters:
    """Writes mails. ``mail_from`` is the address that SES may send from, ``reply_to`` one that people read."""

    def __init__(
        self, links: Links, mail_from: str, reply_to: str, region: str, addresses: ReplyAddresses | None = None
    ) -> None:
        """Keep what every mail needs; SES makes the ids of its mails by its ``region``.

        ``addresses`` where the stage takes replies itself.
        """
        self._addresses = addresses
        self._ids_of = f"{'email' if region == _FIRST_REGION else region}.amazonses.com"
        self.links = links
        self._from = mail_from
        self._reply_to = reply_to

    # -- to the customer ---------------------------------------------------------------------------------

    def to_customer(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, now: datetime
    ) -> tuple[Body, Envelope]:
        """Write one mail to the customer."""
        # What it promises is weighed at the instant at which it goes.
        context, opt_out = self._context(replace(touch, owed_at=now), journey, person, documents)
        body = rendering.mail(touch.kind, context)
        envelope = self._envelope(touch, journey, person, documents, now, opt_out)
        opening = _opening(journey)
        if opening is None or opening.id == touch.id:
            return body, envelope
        first, _ = self._context(opening, journey, person, documents)
        subject = rendering.subject(opening.kind, first)
        # What answers the customer is a reply, and says so; mail programs take both for the same conversation.
        subject = f"Re: {subject}" if touch.klass == "response" else subject
        thread = f"{opening.message_id}@{self._ids_of}"
        return replace(body, subject=subject), replace(envelope, thread=thread)

    def _context(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents
    ) -> tuple[dict[str, Any], str]:
        """Return what the templates of a mail need, and its link to opt out."""
        sender = documents.staff.member(touch.by)
        opt_out = self.links.url(Link("opt_out", journey.id, touch.id))
        said = words.of_customer(person, documents.settings)
        context = {
            **rendering.frame(rendering.brand_of(journey, documents), said),
            "first_name": rendering.first_name(person),
            "case": rendering.case(journey),
            "opt_out_url": opt_out,
            **_WRITE[touch.kind](self, touch, journey, person, documents, said),
        }
        if sender is not None:
            context["sender"] = rendering.staff(sender, said)
        return context, opt_out

    def _envelope(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, now: datetime, opt_out: str
    ) -> Envelope:
        brand = rendering.brand_of(journey, documents)
        sender = documents.staff.member(touch.by)
        name = sender.name if sender else brand.sender.name
        domain = self._from.rpartition("@")[2]
        known = person.customer
        tags: tuple[tuple[str, str], ...] = (("journey", journey.id), ("effect", touch.id), ("kind", touch.kind))
        if touch.returns:
            tags = (*tags, ("returns", str(touch.returns)))
        return Envelope(
            to=person.email,
            to_name=f"{known.first_name} {known.last_name}".strip() if known else "",
            sender_name=f"{name}, {brand.name}",
            sender=self._from,
            reply_to=self._addresses.address(journey.id) if self._addresses else self._reply_to,
            message_id=f"{journey.id}.{sending_of(touch.id, touch.returns).replace('/', '.')}@{domain}",
            thread="",
            date=now,
            kind=touch.kind,
            tags=tags,
            unsubscribe_url="" if touch.klass == "response" else opt_out,
            klass=touch.klass,
            root=f"{journey.id}@{domain}",
        )

    def _ask(self, question: Question, journey: Journey, touch_id: str, said: Words) -> dict[str, Any]:
        link = Link("answer", journey.id, touch_id)
        return {
            "question": said.said(question.text),
            "kind": rendering.DRAWN_AS[question.measure],
            "options": rendering.options(question, url=lambda value: self.links.url(link, r=str(value)), said=said),
            "answer_url": self.links.url(link),
            "decoy_url": self.links.url(Link("decoy", journey.id, touch_id)),
        }

    def _survey(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, said: Words
    ) -> dict[str, Any]:
        survey = journey.touch("survey") or touch
        reminders = len(documents.cadence.survey.reminders)
        closes = (survey.sent_at or survey.due_at) + survey.window
        zone = rendering.customer_zone(person, documents)
        return {
            **self._ask(cadence.asked(survey, journey, documents)[0], journey, "survey", said),
            "expires_on": said.day(closes, zone),
            "only_reminder": reminders == 1,
            "last_reminder": touch.number >= reminders,
        }

    def _check_in(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, said: Words
    ) -> dict[str, Any]:
        del person
        step = documents.cadence.step(touch.step)
        if step is None:
            message = f"the pinned cadence has no step {touch.step!r}"
            raise LookupError(message)
        asked = self._ask(step.ask[0], journey, touch.id, said)
        return {**asked, "step": step.id, "opening": said.said(step.opening)}

    def _acknowledgement(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, said: Words
    ) -> dict[str, Any]:
        recovery = _recovery(journey, touch.recovery)
        answers = [answer for answer in journey.answers if answer.id in recovery.answers]
        return {
            "answer_words": answers[-1].words if answers else "",
            "call_back": any(answer.call_back for answer in answers),
            # Sorry is said once: the second time a template says it, it is hollow.
            "again": any(
                one.kind == "acknowledgement" and one.id != touch.id and one.went_out for one in journey.touches
            ),
            "remark": journey.case is not None and journey.case.kind == "remark",
            "owner": rendering.staff(owner_of(recovery, documents), said),
            "next_contact_by": next_contact(recovery, person, documents, touch.owed_at or touch.due_at, said) or "",
        }

    def _apology(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, said: Words
    ) -> dict[str, Any]:
        del person
        recovery = _recovery(journey, touch.recovery)
        return {"paragraphs": paragraphs(touch.text), "owner": rendering.staff(owner_of(recovery, documents), said)}

    def _proposal(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, said: Words
    ) -> dict[str, Any]:
        recovery = _recovery(journey, touch.recovery)
        proposal = next(one for one in recovery.proposals if one.number == touch.number)
        link = Link("proposal", journey.id, f"{recovery.number}.{proposal.number}")
        by = documents.staff.member(proposal.by) or owner_of(recovery, documents)
        return {
            "action": proposal.action,
            "promised_by": said.day(proposal.due_at, rendering.customer_zone(person, documents)),
            "owner": rendering.staff(by, said),
            "note": "",
            "links": {word: self.links.url(link, r=word) for word in ("exceeds", "meets", "falls_short", "other")},
        }

    def _update(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, said: Words
    ) -> dict[str, Any]:
        proposal = journey.recovery.proposal if journey.recovery else None
        zone = rendering.customer_zone(person, documents)
        return {
            "paragraphs": paragraphs(touch.text),
            "promised_by": said.day(proposal.due_at, zone) if proposal else "",
        }

    def _thanks(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, said: Words
    ) -> dict[str, Any]:
        return self._apology(touch, journey, person, documents, said)

    # -- to staff ----------------------------------------------------------------------------------------

    def to_staff(
        self,
        notice: NotifyStaff,
        member: StaffMember,
        journey: Journey,
        person: Person,
        documents: Documents,
        now: datetime,
    ) -> tuple[Body, Envelope]:
        """Write one notice, with a link to the recovery where there is one to work on."""
        brand = rendering.brand_of(journey, documents)
        work = Link("work", journey.id, member.id, now + _WORK_FOR)
        heading = REASONS.get(notice.reason, notice.reason)
        of_all = notice.reason in _OF_ALL
        recovery = None if of_all else journey.recovery
        context = {
            **rendering.frame(brand, words.words("en")),
            "reason": f"{heading} ({recovery.severity})" if recovery else heading,
            "lines": _lines(notice, journey, person, documents),
            "answer_words": "" if of_all else _words_for(notice, journey),
            "action_url": self.links.url(work) if journey.person_id and not of_all else None,
            "action_label": "Open the recovery" if recovery else "Open the journey",
            "due": rendering.hour(notice.due, staff_zone(member, documents)) if notice.due else None,
        }
        domain = self._from.rpartition("@")[2]
        envelope = Envelope(
            to=member.email,
            to_name=member.name,
            sender_name=f"{brand.name} Aftercare",
            sender=self._from,
            reply_to=self._reply_to,
            message_id=f"{journey.id}.{notice.key}@{domain}",
            thread="",
            date=now,
            kind="staff-notice",
            tags=(("journey", journey.id), ("effect", notice.key), ("kind", "staff-notice")),
        )
        return rendering.mail("staff-notice", context), envelope

    def sign_in(self, effect: SendSignIn, member: StaffMember, brand: Brand, now: datetime) -> tuple[Body, Envelope]:
        """Write the mail with the link by which a member of staff signs in to the console."""
        link = Link("sign_in", "", effect.sign_in_id, effect.until)
        minutes = max(int((effect.until - now).total_seconds() // 60), 1)
        context = {
            **rendering.frame(brand, words.words("en")),
            "action_url": self.links.url(link),
            "minutes": minutes,
            "name": member.name,
        }
        domain = self._from.rpartition("@")[2]
        name = f"{effect.sign_in_id}.sign-in@{domain}"
        envelope = Envelope(
            to=member.email,
            to_name=member.name,
            sender_name=f"{brand.name} Aftercare",
            sender=self._from,
            reply_to=self._reply_to,
            message_id=name,
            thread=name,
            date=now,
            kind="sign-in",
            tags=(("kind", "sign-in"),),
        )
        return rendering.mail("sign-in", context), envelope


_WRITE: dict[str, Any] = {
    "survey": Letters._survey,  # noqa: SLF001 - one table of who writes what
    "reminder": Letters._survey,  # noqa: SLF001
    "check-in": Letters._check_in,  # noqa: SLF001
    "acknowledgement": Letters._acknowledgement,  # noqa: SLF001
    "apology": Letters._apology,  # noqa: SLF001
    "proposal": Letters._proposal,  # noqa: SLF001
    "update": Letters._update,  # noqa: SLF001
    "thank-you": Letters._thanks,  # noqa: SLF001
}


def _opening(journey: Journey) -> Touch | None:
    """Return the mail that opened the conversation of a journey: the first that its reader has, by the service's id."""
    sent = (touch for touch in journey.touches if touch.went_out and touch.sent_at and touch.message_id)
    return min(sent, key=lambda touch: (touch.sent_at, touch.id), default=None)


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text that a person wrote: an empty line parts them."""
    return [part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]


def owner_of(recovery: Recovery, documents: Documents) -> StaffMember:
    """Return the owner of a recovery; one who has left the directory is replaced by its first member."""
    return documents.staff.member(recovery.owner) or documents.staff.members[0]


def next_contact(
    recovery: Recovery, person: Person, documents: Documents, now: datetime, said: Words | None = None
) -> str | None:
    """Return by when the customer hears from a person, in their own time; None where that is not ahead any more."""
    promised = playbook.next_contact(recovery, documents, now)
    zone = rendering.customer_zone(person, documents)
    return (said or words.words("en")).hour(promised, zone) if promised else None


def staff_zone(member: StaffMember, documents: Documents) -> str:
    """Return the zone in which a member of staff reads a time."""
    return (member.calendar or documents.settings.calendar).zone


def _recovery(journey: Journey, number: int) -> Recovery:
    return next(recovery for recovery in journey.recoveries if recovery.number == number)


def _words_for(notice: NotifyStaff, journey: Journey) -> str:
    """Return the customer's words that the notice is about: of that answer, else the latest."""
    if notice.reason in _ON_A_PROPOSAL:
        return _judged(notice, journey)[1]
    replied = [reply for reply in journey.replies if reply.id == notice.about]
    if replied:
        return replied[-1].words
    about = [answer for answer in journey.answers if answer.id == notice.about]
    if about:
        return about[-1].words
    return journey.answers[-1].words if journey.answers else ""


_ON_A_PROPOSAL = {"proposal_accepted", "proposal_falls_short", "proposal_late"}


def _judged(notice: NotifyStaff, journey: Journey) -> tuple[str, str]:
    """Return the word on a proposal that a notice is about, and the words beside it."""
    told: list[tuple[datetime, str, str]] = []
    for recovery in journey.recoveries:
        for proposal in recovery.proposals:
            if str(proposal.number) != notice.about:
                continue
            if notice.reason == "proposal_late":
                told += proposal.revisions
            elif proposal.word and proposal.answered_at:
                told.append((proposal.answered_at, proposal.word, proposal.words))
    if not told:
        return "", ""
    _, word, words = max(told)
    return WORDS[word], words


def scores(answer: Answer) -> str:
    """Return what was answered, as a person reads it: ``CSAT 2 of 5, asks to be called back``."""
    names = {"csat": "CSAT", "nps": "NPS", "ces": "CES", "solved": "Solved", "come_back": "Come back"}
    parts = []
    for measure, value in answer.scores.items():
        name = names.get(measure, measure.capitalize())
        shown = ("no", "yes")[value] if measure == "solved" else f"{value} of {SCALES[measure][1]}"
        parts.append(f"{name} {shown}")
    if answer.call_back:
        parts.append("asks to be called back")
    return ", ".join(parts)


def _lines(notice: NotifyStaff, journey: Journey, person: Person, documents: Documents) -> list[dict[str, str]]:
    if notice.reason in _OF_ALL:
        return [{"label": label, "value": text or notice.about} for label, text in _OF_ALL[notice.reason]]
    known = person.customer
    name = f"{known.first_name} {known.last_name}".strip() if known else ""
    lines = [{"label": "Customer", "value": name or "name unknown"}]
    if journey.case is not None:
        case = rendering.case(journey)
        lines.append({"label": "Case", "value": ", ".join(filter(None, (case["reference"], case["subject"])))})
    word = _judged(notice, journey)[0] if notice.reason in _ON_A_PROPOSAL else ""
    if word:
        lines.append({"label": f"On proposal {notice.about}", "value": word})
    answered = scores(journey.answers[-1]) if journey.answers else ""
    if answered:
        lines.append({"label": "Answer", "value": answered})
    step = documents.playbook.step(notice.about)
    if step is not None:
        lines.append({"label": "Step", "value": step.label})
    if journey.recovery is not None:
        lines.append({"label": "Owner", "value": owner_of(journey.recovery, documents).name})
    return lines
