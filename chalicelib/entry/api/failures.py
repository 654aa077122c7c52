"""A failure that never was a case: a remark at the counter or a public comment becomes a journey."""

from typing import Annotated, Literal

import msgspec

from chalicelib.entry import decode
from chalicelib.entry.api.operations import Context, operation

Short = Annotated[str, msgspec.Meta(max_length=300)]


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who, what they said, and where. Somebody who leaves no address is worked on person to person.

    ``gesture`` is goodwill that was given on the spot, within the mandate of the settings, in ``currency``.
    """

    words: Annotated[str, msgspec.Meta(min_length=1, max_length=8000)]
    channel: Literal["counter", "phone", "social", "other"] = "counter"
    first_name: Short = ""
    last_name: Short = ""
    email: Annotated[str, msgspec.Meta(max_length=254)] = ""
    customer_id: Annotated[str, msgspec.Meta(max_length=120)] = ""
    subject: Short = ""
    team: Short = ""
    category: Short = ""
    gesture: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$")] | None = None
    currency: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?$")] = ""
    remark_id: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9-]*$")] = ""


class Logged(msgspec.Struct, frozen=True):
    """The journey that began, and whose its recovery is; without an owner when it waits for the table.

    ``news`` is false when a remark of that id was logged before: then nothing of this one was kept.
    """

    journey_id: str
    owner: str = ""
    news: bool = True


@operation(
    audit=lambda asked: "spent" if asked.gesture else "changed",
    about="failures",
    amount="{gesture} {currency}",
    status=201,
)
def log(context: Context, asked: Log) -> Logged:
    """Log a failure: its recovery is open at once."""
    name = asked.remark_id or context.name
    told = {
        "source": "console",
        "remark_id": name,
        "occurred_at": context.now.isoformat(),
        "words": asked.words,
        "logged_by": context.actor.id[:40],
        "subject": asked.subject,
        "channel": asked.channel,
        "team": asked.team,
        "category": asked.category,
        "gesture": asked.gesture,
        "currency": asked.currency if asked.gesture else "",
        "customer": {
            # Somebody unknown is another person each time.
            "customer_id": asked.customer_id or ("" if asked.email else f"unknown-{name}"),
            "email": asked.email.strip(),
            "first_name": asked.first_name,
            "last_name": asked.last_name,
        },
    }
    event = decode.data("failure.logged", msgspec.json.encode(told), context.at.epochs)
    context.about(f"journey/{event.journey_id}")
    handled = context.at.desk.hand_in(event)
    recovery = handled.journey.recovery if handled and handled.journey else None
    return Logged(event.journey_id, recovery.owner if recovery else "", handled is None or handled.news)
