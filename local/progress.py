"""A progress bar for work that takes longer than a breath: on a terminal only, never in a log."""

import sys
import time
from types import TracebackType
from typing import Self

_WIDTH = 30
_EVERY = 0.1


class Progress:
    """Shows how far something has come, at most ten times a second."""

    def __init__(self, what: str, total: float) -> None:
        """Begin; ``total`` is in the caller's own unit."""
        self._what = what
        self._total = max(total, 1e-9)
        self._shown_at = 0.0
        self._on = sys.stderr.isatty()

    def show(self, done: float, note: str = "") -> None:
        """Show that so much is done."""
        if not self._on or time.monotonic() - self._shown_at < _EVERY:
            return
        self._shown_at = time.monotonic()
        share = min(max(done / self._total, 0.0), 1.0)
        bar = "█" * round(share * _WIDTH)
        sys.stderr.write(f"\r{self._what} {bar:<{_WIDTH}} {share:4.0%} {note}\x1b[K")
        sys.stderr.flush()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the line."""
        if self._on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
