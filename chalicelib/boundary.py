"""Where the inside ends: every effect on the outside passes one named boundary.

In production a boundary is a plain call. The fault tests put a counting one in its place, which dies before or
after the act, or lets the caller time out though the act was done, or was never done.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Boundary(Protocol):
    """Calls the act that it is given, under a name such as ``commit`` or ``send-mail``."""

    def __call__(self, name: str, act: Callable[[], T]) -> T:
        """Return what the act returns, or raise what it raises."""
        ...


def straight(name: str, act: Callable[[], T]) -> T:  # noqa: ARG001 - the name is for those who watch
    """Pass straight through."""
    return act()
