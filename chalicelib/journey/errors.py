"""What decide can refuse, as values that an entry point turns into an answer for its caller."""


class JourneyError(Exception):
    """Base of everything that the pure core raises on purpose."""


class BadDocument(JourneyError):
    """A cadence, playbook, settings or staff document that cannot be used.

    The message names the field by its path, such as ``$.survey.after``. ``line`` counts from 1, and is 0 where no text
    is at hand.
    """

    def __init__(self, message: str, *, path: str = "", line: int = 0) -> None:
        """Keep where it is, beside what it is."""
        super().__init__(message)
        self.path = path
        self.line = line


class ActRefused(JourneyError):
    """An act that the playbook does not allow at this moment: nothing was changed.

    ``reason`` is one word for programs (counted in the replay), ``explanation`` a sentence for the person.
    """

    def __init__(self, reason: str, explanation: str) -> None:
        """Keep both forms of the reason."""
        super().__init__(explanation)
        self.reason = reason
        self.explanation = explanation
