"""Says that mail is held back: once to a lead, each time to the alarm of the stage."""

from datetime import datetime, timedelta
from typing import Any

from chalicelib.journey.documents import Documents
from chalicelib.journey.effects import NotifyStaff
from chalicelib.journey.turn import safe_key
from chalicelib.store import items
from chalicelib.store.counters import Counters
from chalicelib.telemetry import Log

#: An announcement that nobody withdraws is forgotten after this long, and made again if it is still true.
_KEPT = timedelta(days=14)


class Announcer:
    """Tells people that mail waits, and why."""

    def __init__(self, counters: Counters, stage: str, log: Log) -> None:
        """Keep where it notes what it has said."""
        self._counters = counters
        self._stage = stage
        self._log = log

    def held(self, journey_id: str, why: str, now: datetime) -> None:
        """Log one mail that is held back, in the form of which CloudWatch makes the metric that an alarm watches.

        Source: CloudWatch User Guide, "Specification: Embedded metric format".
        """
        metric: dict[str, Any] = {
            "Namespace": "Aftercare",
            "Dimensions": [["stage"]],
            "Metrics": [{"Name": "MailHeld", "Unit": "Count"}],
        }
        form = {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [metric]}
        extra = {"journey_id": journey_id, "why": why, "stage": self._stage, "MailHeld": 1, "_aws": form}
        self._log.warning("mail held", extra=extra)

    def once(self, name: str, reason: str, about: str, journey_id: str, documents: Documents, now: datetime) -> None:
        """Owe one notice to a lead, by way of the journey whose mail was the first to be held."""
        lead = documents.staff.of_rank("lead", "*")[0]
        key = safe_key(f"notice-{name}-{items.instant(now)}-{lead.id}")
        notice = NotifyStaff(key=key, journey_id=journey_id, staff_id=lead.id, reason=reason, about=about)
        self._counters.announce(name, f"J#{journey_id}", (notice,), now, now + _KEPT)
