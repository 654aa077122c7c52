"""Previews: every mail and page that a version leads to, in each language; and a copy of a mail to oneself."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from chalicelib.effects import samples
from chalicelib.effects.samples import Sample
from chalicelib.entry.api.documents import Kind, Number
from chalicelib.entry.api.operations import Context, operation
from chalicelib.entry.api.problems import NotFound, Refused
from chalicelib.entry.pages import preview as preview_pages
from chalicelib.journey.documents import LANGUAGES, Documents, Staff
from chalicelib.journey.effects import SendSample
from chalicelib.store.access import member_pk

#: A copy that nobody has sent by then is looked for by the reconciler.
_LOOK_AFTER = timedelta(minutes=1)
Language = Annotated[str, msgspec.Meta(pattern=rf"^({'|'.join(LANGUAGES)})\Z", description="Of the customer.")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80, description="As the list of previews has it.")]


#: To whom a mail goes, or ``page`` for one that a customer opens.
Whose = Literal["customer", "staff", "page"]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version, beside what is in force of the other kinds, and the language of the made-up customer."""

    kind: Kind
    version: Number
    language: Language = "en"


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mail of a preview."""

    kind: Kind
    version: Number
    name: Name
    language: Language = "en"


class Line(msgspec.Struct, frozen=True):
    """One mail or page: its name, whose, when the made-up journey came to it, and its subject or title."""

    name: str
    to: Whose
    at: datetime
    subject: str


class Lines(msgspec.Struct, frozen=True):
    """Every mail and page that a made-up journey leads to which begins now, each in its order."""

    mails: list[Line]
    pages: list[Line]


class Shown(msgspec.Struct, frozen=True):
    """One mail or page as it would be; a page has no sender and no text. Links lead nowhere."""

    name: str
    to: Whose
    at: datetime
    sender: str
    subject: str
    text: str
    html: str


class Sent(msgspec.Struct, frozen=True):
    """To which member of staff a copy is on its way."""

    to: str


@operation()
def listing(context: Context, asked: Asked) -> Lines:
    """List every mail and page that a version leads to, with the day on which a journey that begins now comes to it."""
    letters = context.at.sample_letters
    wanted = (_documents(context, asked), asked.language, context.now)
    return Lines(
        [Line(one.name, one.to, one.at, one.body.subject) for one in samples.mails(*wanted, letters)],
        [Line(one.name, "page", one.at, one.title) for one in preview_pages.pages(*wanted, letters.links)],
    )


@operation()
def show(context: Context, asked: One) -> Shown:
    """Show one of the mails or pages that a version leads to."""
    documents = _documents(context, asked)
    if asked.name.startswith(preview_pages.PAGE):
        links = context.at.sample_letters.links
        page = preview_pages.page(documents, asked.language, context.now, links, asked.name)
        if page is None:
            raise NotFound(f"no page {asked.name!r} in this preview")
        return Shown(page.name, "page", page.at, "", page.title, "", page.html)
    one = _mail(context, asked, documents)
    return Shown(one.name, one.to, one.at, one.envelope.sender_name, one.body.subject, one.body.text, one.body.html)


@operation(audit="sent", about="document/{kind}/{version}", status=202)
def test(context: Context, asked: One) -> Sent:
    """Mail oneself one of them: its subject says that it is a test, and its links lead nowhere."""
    _mail(context, asked, _documents(context, asked))
    staff = context.at.documents.version("staff", context.at.documents.active("staff", context.now))
    assert isinstance(staff, Staff)  # noqa: S101 - the document of that kind
    member = staff.member(context.actor.id)
    if member is None:
        raise Refused(409, "No address", "Only a member of the staff document has an address to send it to.")
    effect = SendSample(
        key=f"sample/{context.name}",
        staff_id=member.id,
        kind=asked.kind,
        version=asked.version,
        language=asked.language,
        name=asked.name,
    )
    context.at.access.owe(member.id, effect, context.now, context.now + _LOOK_AFTER)
    context.at.desk.wake(member_pk(member.id))
    return Sent(member.id)


def _documents(context: Context, asked: Asked | One) -> Documents:
    try:
        return samples.in_force(context.at.documents, asked.kind, asked.version, context.now)
    except KeyError as error:
        raise NotFound(f"no version {asked.version} of {asked.kind}") from error


def _mail(context: Context, asked: One, documents: Documents) -> Sample:
    found = samples.mail(documents, asked.language, context.now, context.at.sample_letters, asked.name)
    if found is None:
        raise NotFound(f"no mail {asked.name!r} in this preview")
    return found
