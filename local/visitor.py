"""What visitors do: their own case, signed as a helpdesk would, and pressing a button as a person does."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from local.stack import Reply, Stack

#: How long a person takes from seeing a page to pressing its button. Within a second, it passes for a machine.
READING = timedelta(seconds=30)
_VIEW = re.compile(r'name="view" value="([^"]+)"')

SOURCE = "demo"
#: What the case was about if the visitor does not say: a mail in one language should not name its matter in another.
SUBJECTS = {
    "en": "An order that went wrong",
    "es": "Un pedido que salió mal",
    "fr": "Une commande qui s’est mal passée",
    "de": "Eine Bestellung, bei der etwas schiefging",
    "pt": "Um pedido que deu errado",
    "ja": "ご注文の不具合",
    "ar": "طلبية لم تسر كما يجب",
}
_ACCEPTED = 300
_LONGEST = 200


class BadCase(Exception):
    """The product refused the case; says why."""


def resolve_a_case(stack: Stack, form: Mapping[str, str], case_id: str) -> str:
    """Tell the product that this case was resolved just now; returns the customer's name. Raises BadCase."""
    asked = ("first_name", "email", "subject", "language", "category")
    fields = {name: form.get(name, "").strip()[:_LONGEST] for name in asked}
    if not fields["email"]:
        raise BadCase("Where should the survey go? Any address will do: no mail leaves this machine.")
    data: dict[str, Any] = {
        "source": SOURCE,
        "case_id": case_id,
        "epoch": 1,
        "resolved_at": stack.clock.now.isoformat(),
        "subject": fields["subject"] or SUBJECTS.get(fields["language"], SUBJECTS["en"]),
        "category": fields["category"],
        "channel": "mail",
        "customer": {
            "email": fields["email"],
            "first_name": fields["first_name"],
            "locale": fields["language"],
        },
    }
    reply = stack.tell("/cases", "case.resolved", data)
    if reply.status >= _ACCEPTED:
        raise BadCase(str(reply.json().get("detail", reply.body.decode(errors="replace"))))
    return fields["first_name"] or fields["email"]


def view_of(page: Reply) -> str:
    """Return the note that a page carries and its form sends back; empty when there is none."""
    found = _VIEW.search(page.body.decode(errors="replace"))
    return found[1] if found else ""


def press(stack: Stack, path: str, fields: Mapping[str, str], reading: timedelta = READING) -> Reply:
    """Open a page, take the time that a person takes, and press its button."""
    view = view_of(stack.request("GET", path))
    stack.run_until(stack.clock.now + reading)
    return stack.submit(path, urlencode({**fields, "view": view}))
