"""What can be wrong with a call, and how it is told: problem details (RFC 9457), the same for API and console."""

import re

import msgspec

from chalicelib.entry.decode import BadInput
from chalicelib.entry.desk import OUTSIDE, Unavailable
from chalicelib.journey.errors import ActRefused, BadDocument
from chalicelib.store.errors import Conflict

_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`\Z")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")


class Problem(msgspec.Struct, frozen=True):
    """What was wrong. ``field`` names the field of the input that it is about."""

    status: int
    title: str
    detail: str
    field: str = ""
    reason: str = ""


class Refused(Exception):
    """An operation will not do what was asked; carries what its caller is told."""

    def __init__(self, status: int, title: str, detail: str, field: str = "") -> None:
        """Keep the problem."""
        super().__init__(detail)
        self.problem = Problem(status, title, detail, field)


class NotFound(Refused):
    """There is no such thing."""

    def __init__(self, what: str) -> None:
        """Say what there is not: ``no journey j123``."""
        super().__init__(404, "Not found", f"There is {what[:200]}.")


class BadField(Refused):
    """One field of the input is wrong in a way that its type cannot say."""

    def __init__(self, name: str, why: str) -> None:
        """Name the field and say what is wrong."""
        super().__init__(422, "Unprocessable", f"{name}: {why}", name)


class Unauthorised(Refused):
    """Nobody known is calling."""

    def __init__(self, detail: str = "Send an API key as `Authorization: Bearer …`, or sign in.") -> None:
        """Say what to send."""
        super().__init__(401, "Unauthorized", detail)


class Forbidden(Refused):
    """Whoever calls may not."""

    def __init__(self, needed: str) -> None:
        """Say which role it takes."""
        super().__init__(403, "Forbidden", f"This takes the role {needed}.")


def problem_of(error: Exception) -> Problem | None:
    """Return what to tell the caller of an error, or None for one that is a fault of ours."""
    if isinstance(error, Refused):
        return error.problem
    if isinstance(error, msgspec.DecodeError):
        return _invalid(str(error))
    if isinstance(error, BadDocument):
        where = f", line {error.line}" if error.line else ""
        return Problem(422, "Unprocessable", f"{error}{where}", error.path.removeprefix("$."))
    if isinstance(error, BadInput):
        return _invalid(str(error))
    if isinstance(error, ActRefused):
        return Problem(409, "Refused by the playbook", error.explanation, reason=error.reason)
    if isinstance(error, Conflict):
        return Problem(409, "Conflict", "Somebody else was faster, and nothing was stored. Look, then try again.")
    if isinstance(error, (Unavailable, *OUTSIDE)):
        return Problem(503, "Unavailable", "Something that this needs cannot be reached just now. Try again.")
    return None


def in_words(problem: Problem) -> str:
    """Return what was wrong as a page says it: a sentence, without the names that programs go by."""
    said = _PATH.sub("", problem.detail).removeprefix(f"{problem.field}: ")
    whole = said[:1].upper() + said[1:]
    return whole if whole.endswith((".", "!", "?")) else f"{whole}."


def _invalid(message: str) -> Problem:
    """Name the field that a decoder complains of."""
    path = _PATH.search(message)
    inner = _UNKNOWN.search(message) or _MISSING.search(message)
    parts = [path["path"] if path else "", inner["name"] if inner else ""]
    return Problem(422, "Unprocessable", message, ".".join(part for part in parts if part))
