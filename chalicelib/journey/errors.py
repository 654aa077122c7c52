"""What decide can refuse, as values that an entry point turns into an answer for its caller."""


class JourneyError(Exception):
    """Base of everything that the pure core raises on purpose."""


class BadDocument(JourneyError):
    """A cadence, playbook, settings or staff document that cannot be used.

    The message names the field by its path, such as ``$.survey.after``.
    """


class ActRefused(JourneyError):
    """An act that the playbook does not allow at this moment: nothing was changed.

    ``reason`` is one word for programs (counted in the replay), ``explanation`` a sentence for the person.
    """

    def __init__(self, reason: str, explanation: str) -> None:
        """Keep both forms of the reason."""
        super().__init__(explanation)
        self.reason = reason
        self.explanation = explanation
