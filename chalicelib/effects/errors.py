"""Errors of the outside, sorted by what is known afterwards."""


class MailRefused(Exception):
    """The mail service said no to this mail: it was not sent and never will be."""


class MailThrottled(Exception):
    """The mail service said not now: it was not sent, and may be tried again."""


class MailUnknown(Exception):
    """Nobody knows whether the mail was sent: never resend blindly, reconcile."""


class MailNotAllowed(Exception):
    """This stage may not write to that address: it was not sent, and will not be from here."""
