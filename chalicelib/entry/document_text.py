"""How a document is laid out as text: what fits on a line stands on one, as in the documents that ship.

The form writes in this layout, and two versions are compared in it: so what differs between them is what somebody has
changed, however either was typed.
"""

import json
from typing import Any

#: What is longer has a line for each of its parts.
_WIDTH = 100
_STEP = 2


def laid_out(value: Any) -> str:
    """Return what JSON holds as text, with a line break at its end."""
    return _part(value, 0, 0) + "\n"


def _part(value: Any, indent: int, before: int) -> str:
    """Return one value that begins ``before`` characters into its line, whose parts stand ``indent`` deep."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or before + len(flat) < _WIDTH:
        return flat
    inner = indent + _STEP
    if isinstance(value, dict):
        opening, closing = "{}"
        parts = [(f"{json.dumps(name, ensure_ascii=False)}: ", one) for name, one in value.items()]
    else:
        opening, closing = "[]"
        parts = [("", one) for one in value]
    rows = [f"{' ' * inner}{name}{_part(one, inner, inner + len(name))}" for name, one in parts]
    return f"{opening}\n" + ",\n".join(rows) + f"\n{' ' * indent}{closing}"
