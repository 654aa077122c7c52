"""What can go wrong in the store, sorted by what the caller should do."""


class StoreError(Exception):
    """Base of the store's errors."""


class Duplicate(StoreError):
    """This fact is stored already: nothing was changed, and nothing is missing."""


class Conflict(StoreError):
    """Somebody else was faster: read again, decide again."""


class NotOwed(StoreError):
    """The effect is settled, or somebody else has claimed it: leave it alone."""


class NewerForm(StoreError):
    """Something in the table was written by a later version of Aftercare, and must not be overwritten by this one."""


class Spent(StoreError):
    """A limit that this would spend from is reached: it may be tried again when the limit is another."""

    def __init__(self, what: str) -> None:
        """Keep which limit it is: the reason for which mail is held."""
        super().__init__(what)
        self.what = what
