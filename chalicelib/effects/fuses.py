"""The fuses: at most so many automatic mails in a day to one address, and from the whole deployment.

A claim spends from both in its own transaction, so two workers cannot exceed them together. What is held waits for the
next day; a lead is told once a day, and an alarm sees each mail.
"""

from datetime import UTC, datetime, timedelta

from chalicelib.effects.announce import Announcer
from chalicelib.journey.documents import Documents, StaffMember
from chalicelib.journey.state import Touch
from chalicelib.store import counters
from chalicelib.store.counters import Counters, Limit

CONTACT, DEPLOYMENT, STAFF = "fuse_contact", "fuse_deployment", "fuse_staff"
#: What waited for the next day goes within its first hour, not at its first second.
_SPREAD = timedelta(hours=1)


class Fuses:
    """Knows what a claim must spend, and until when what cannot be claimed waits."""

    def __init__(self, reads: Counters, announcer: Announcer) -> None:
        """Keep the counters, and who tells people."""
        self._counters = reads
        self._announcer = announcer

    def for_touch(
        self, touch: Touch, email: str, journey_id: str, documents: Documents, now: datetime, shard: int | None = None
    ) -> tuple[Limit, ...]:
        """Return what the claim of a touch spends: nothing for what a person wrote, for no loop presses Send."""
        if touch.by:
            return ()
        most = documents.settings.fuses
        start = counters.shard_of(journey_id) if shard is None else shard
        return (
            counters.of_address(CONTACT, email, most.contact_per_day, now),
            counters.of_deployment(DEPLOYMENT, most.deployment_per_day, now, start),
        )

    def for_notice(self, member: StaffMember, documents: Documents, now: datetime) -> tuple[Limit, ...]:
        """Return what the claim of a notice spends."""
        return (counters.of_address(STAFF, member.email, documents.settings.fuses.staff_per_day, now),)

    def room(self, documents: Documents, now: datetime) -> int | None:
        """Return a shard of the deployment's fuse that has something left, or None when it has blown."""
        return self._counters.room(documents.settings.fuses.deployment_per_day, now)

    def blown(self, what: str, journey_id: str, documents: Documents, now: datetime) -> datetime:
        """Tell people, and return when to look again."""
        self._announcer.held(journey_id, what, now)
        day = now.astimezone(UTC).date()
        rules = documents.settings.fuses
        most = {CONTACT: rules.contact_per_day, DEPLOYMENT: rules.deployment_per_day, STAFF: rules.staff_per_day}[what]
        if what != STAFF:
            self._announcer.once(f"{what}-{day}", what, f"{most} a day", journey_id, documents, now)
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
        return midnight + _SPREAD * (counters.shard_of(f"{journey_id}/{now}") / counters.SHARDS)
