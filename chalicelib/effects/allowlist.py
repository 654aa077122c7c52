"""Whom a stage may write to at all: a stage that is not production writes to its own people only.

It is a setting of the stage, not of a document: a copy of production's table in another stage writes to nobody.
"""

import re
from collections.abc import Sequence

#: Everyone: what a production stage says.
EVERYONE = "*"
#: One address and nothing else: no list, name, comment or quotes, and only what mail carries without an encoding.
_PLAIN = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")


class Allowlist:
    """Addresses and domains, separated by commas, or ``*``. A domain does not stand for those below it."""

    def __init__(self, text: str) -> None:
        """Read the setting."""
        self._entries = frozenset(entry.strip().lower().removeprefix("@") for entry in text.split(",") if entry.strip())

    def allows(self, address: str) -> bool:
        """Say whether this one address may be written to; what is not plainly one address may not."""
        if EVERYONE in self._entries:
            return True
        if not _PLAIN.fullmatch(address):
            return False
        known = address.lower()
        return known in self._entries or known.rpartition("@")[2] in self._entries

    def allows_all(self, addresses: Sequence[str]) -> bool:
        """Say whether all of them may be written to."""
        return all(self.allows(address) for address in addresses)
