"""Performs one owed effect: finds who can, and lets them."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from chalicelib.effects.alarm import Alarms
from chalicelib.effects.erasing import Eraser
from chalicelib.effects.mail import Mailer
from chalicelib.effects.sentiment import Weigher
from chalicelib.effects.staff_mail import Samples, SignInMails
from chalicelib.journey.effects import (
    Effect,
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
    """The hands of the worker: who performs which effect.

    ``run`` takes an event down the whole road, for journeys that tell others.
    """

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
        self._table = table
        self._run = run
        self.performers: dict[type[Effect], Callable[[Owed, Any], None]] = {
            SendMail: mailer.send_touch,
            NotifyStaff: mailer.send_notice,
            KeepMail: mailer.keep_late,
            SendSignIn: sign_ins.perform,
            SendSample: samples.perform,
            WeighWords: weigher.weigh,
            SetAlarm: alarms.perform,
            ErasePerson: eraser.erase,
            Tell: self._tell,
            TellOthers: self._tell_others,
        }

    def perform(self, owed: Owed) -> None:
        """Perform one owed effect and settle it, or leave it owed for the next who looks."""
        self.performers[type(owed.effect)](owed, owed.effect)

    def _tell(self, owed: Owed, effect: Tell) -> None:
        self._run(effect.event)
        self._table.settle(owed)

    def _tell_others(self, owed: Owed, effect: TellOthers) -> None:
        """One journey after the other, each in its own transaction; those told before ignore it."""
        open_journeys = self._table.person(effect.person_id).value.open_journeys
        if len(open_journeys) >= MOST_REMEMBERED:
            # The person may have more than the record remembers; those that have ended ignore it.
            open_journeys = tuple(self._table.journeys_of(effect.person_id))
        for journey_id in open_journeys:
            if journey_id != effect.event.journey_id:
                told = replace(effect.event, journey_id=journey_id, event_id=f"{effect.event.event_id}/{journey_id}")
                self._run(told)
        self._table.settle(owed)
