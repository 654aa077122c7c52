"""A mail before it is one: its words, and all that stands around them.

Apart from `message`, which writes it as bytes: what pages share with mails should not load the mail library with it.
"""

from datetime import datetime

import msgspec


class Body(msgspec.Struct, frozen=True):
    """What a template renders to."""

    subject: str
    text: str
    html: str


class Envelope(msgspec.Struct, frozen=True):
    """Everything of a mail but its words.

    ``unsubscribe_url`` is set for asks and news (RFC 8058). ``thread`` is the id of the mail that opened the
    conversation, as its reader has it; empty for the one that opens it. ``root`` is an id of ours that no mail has and
    all of one conversation refer to: what answers any of them names it. ``klass`` is the class of mail, or ``staff``.
    """

    to: str
    to_name: str
    sender_name: str
    sender: str
    reply_to: str
    message_id: str
    thread: str
    date: datetime
    kind: str
    tags: tuple[tuple[str, str], ...]
    unsubscribe_url: str = ""
    klass: str = "staff"
    root: str = ""
