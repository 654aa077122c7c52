"""What decide asks for: effects as frozen values. They are written down with the state, then performed.

The ``key`` of an effect is unique within its journey or person, so owing it twice is owing it once.
"""

from datetime import datetime

import msgspec

from chalicelib.journey.events import JourneyEvent, PersonSilenced, PurchaseNoted
from chalicelib.journey.state import Journey, Person, Suppression


class SendMail(msgspec.Struct, frozen=True, tag=True):
    """Send this touch to the customer, if it is still right when its turn comes."""

    key: str
    journey_id: str
    touch_id: str


class NotifyStaff(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Tell one member of staff that something needs them. ``about`` names the recovery step, touch or answer."""

    key: str
    journey_id: str
    staff_id: str
    reason: str
    about: str = ""
    due: datetime | None = None


class KeepMail(msgspec.Struct, frozen=True, tag=True):
    """Store this mail, as it was sent for a claim of that instant: the bucket could not be had when it went out."""

    key: str
    journey_id: str
    touch_id: str
    at: datetime
    raw: bytes


class WeighWords(msgspec.Struct, frozen=True, tag=True):
    """Find out how angry the words of this answer sound, and say so by an event."""

    key: str
    journey_id: str
    answer_id: str


class SetAlarm(msgspec.Struct, frozen=True, tag=True):
    """Make the journey's one alarm ring at its next wake-up instant, whatever that is by then."""

    key: str
    journey_id: str


class Tell(msgspec.Struct, frozen=True, tag=True):
    """Give this event to the journey it names, such as an answer to a survey that was superseded."""

    key: str
    event: JourneyEvent


class TellOthers(msgspec.Struct, frozen=True, tag=True):
    """Give this event to every open journey of the person but the one it comes from, one at a time.

    One effect however many journeys there are; each told journey has its own transaction and ignores a second telling.
    """

    key: str
    person_id: str
    event: PurchaseNoted | PersonSilenced


class SendSignIn(msgspec.Struct, frozen=True, tag=True):
    """Mail a member of staff the link by which they sign in, while it is of any use. No journey owes this."""

    key: str
    staff_id: str
    sign_in_id: str
    until: datetime


class ErasePerson(msgspec.Struct, frozen=True, tag=True):
    """Forget this person in all that was stored until then, one journey at a time."""

    key: str
    person_id: str
    asked_at: datetime


class SendSample(msgspec.Struct, frozen=True, tag=True):
    """Mail a member of staff a copy of what a version of a document leads to. No journey owes this."""

    key: str
    staff_id: str
    kind: str
    version: int
    language: str
    name: str


Effect = (
    SendMail
    | NotifyStaff
    | KeepMail
    | WeighWords
    | SetAlarm
    | Tell
    | TellOthers
    | SendSignIn
    | ErasePerson
    | SendSample
)
ALARM_KEY = "alarm"


class Decision(msgspec.Struct, frozen=True):
    """What should now be true, and what is owed to make it so.

    ``changed`` is false when the event changes nothing (a stale alarm, a duplicate): then nothing is stored.
    ``suppress`` are addresses that get no mail any more, from this commit on.
    """

    journey: Journey | None
    person: Person | None
    effects: tuple[Effect, ...] = ()
    suppress: tuple[Suppression, ...] = ()
    changed: bool = True
    note: str = ""
