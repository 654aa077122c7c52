"""CSV that no spreadsheet executes: a cell that would be a formula begins with an apostrophe (OWASP, CSV injection)."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


Cell = str | int | float


def cell(value: Cell) -> str:
    """Return a cell as text that stays text: also when what makes it a formula stands behind white space.

    A number is our own, and stays a number: ``-12`` executes nothing.
    """
    if not isinstance(value, str):
        return str(value)
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) or value.startswith(_FORMULA) else value


def write(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a CSV file as text (RFC 4180), every cell made safe."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([[cell(value) for value in row] for row in rows])
    return made.getvalue()
