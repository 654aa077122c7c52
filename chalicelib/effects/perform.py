"""Performs one owed effect: finds who can, and lets them."""

from collections.abc import Callable

from msgspec.structs import replace

from chalicelib.effects.alarm import Alarms
from chalicelib.effects.erasing import Eraser
from chalicelib.effects.mail import Mailer
from chalicelib.effects.sentiment import Weigher
from chalicelib.effects.staff_mail import Samples, SignInMails
from chalicelib.journey.effects import (
    ErasePerson,
    KeepMail,
    NotifyStaff,
    SendMail,
    SendSample,
    SendSignIn,
    SetAlarm,
    Tell,
    TellOthers,
    WeighWords,
)
from chalicelib.journey.events import Event
from chalicelib.journey.state import MOST_REMEMBERED
from chalicelib.store.items import Owed
from chalicelib.store.table import Table


class Effects:
    """The hands of the worker. ``run`` takes an event down the whole road, for journeys that tell others."""

    def __init__(
        self,
        table: Table,
        mailer: Mailer,
        alarms: Alarms,
        weigher: Weigher,
        sign_ins: SignInMails,
        eraser: Eraser,
        samples: Samples,
        run: Callable[[Event], object],
    ) -> None:
        """Keep who can do what."""
        self._weigher = weigher
        self._sign_ins = sign_ins
        self._samples = samples
        self._table = table
        self._mailer = mailer
        self._alarms = alarms
        self._eraser = eraser
        self._run = run

    def perform(self, owed: Owed) -> None:
        """Perform one owed effect and settle it, or leave it owed for the next who looks."""
        effect = owed.effect
        if isinstance(effect, SendMail):
            self._mailer.send_touch(owed, effect)
        elif isinstance(effect, NotifyStaff):
            self._mailer.send_notice(owed, effect)
        elif isinstance(effect, SendSignIn):
            self._sign_ins.perform(owed, effect)
        elif isinstance(effect, KeepMail):
            self._mailer.keep_late(owed, effect)
        elif isinstance(effect, SendSample):
            self._samples.perform(owed, effect)
        elif isinstance(effect, WeighWords):
            self._weigher.weigh(owed, effect)
        elif isinstance(effect, SetAlarm):
            self._alarms.perform(owed, effect.journey_id)
        elif isinstance(effect, Tell):
            self._run(effect.event)
            self._table.settle(owed)
        elif isinstance(effect, ErasePerson):
            self._eraser.erase(owed, effect)
        else:
            self._tell_others(effect)
            self._table.settle(owed)

    def _tell_others(self, effect: TellOthers) -> None:
        """One journey after the other, each in its own transaction; those told before ignore it."""
        open_journeys = self._table.person(effect.person_id).value.open_journeys
        if len(open_journeys) >= MOST_REMEMBERED:
            # The person may have more than the record remembers; those that have ended ignore it.
            open_journeys = tuple(self._table.journeys_of(effect.person_id))
        for journey_id in open_journeys:
            if journey_id != effect.event.journey_id:
                told = replace(effect.event, journey_id=journey_id, event_id=f"{effect.event.event_id}/{journey_id}")
                self._run(told)
