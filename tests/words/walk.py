"""A customer's way through every page, in their language: what each page looked like."""

import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import msgspec

from chalicelib.journey.documents import Brand
from chalicelib.links import Link
from tests.entry.conftest import ADA, Deployment
from tests.unit.builders import raw
from tests.words.specimens import LOCALES, SUBJECT, WORDS

#: How long a person takes from seeing a page to pressing its button.
READING = timedelta(seconds=40)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


@dataclass(frozen=True)
class Seen:
    """One page as it was shown. ``name`` says which, and in what state."""

    name: str
    status: int
    html: str


class Walk:
    """Goes through the pages of one deployment of its own; ``seen`` is what was seen on the way."""

    def __init__(
        self,
        language: str,
        brand: Brand | None = None,
        subject: str = SUBJECT,
        name: str = "Ada",
        questions: list[dict[str, Any]] | None = None,
    ) -> None:
        self.stack = Deployment()
        self.language = language
        self.seen: list[Seen] = []
        if brand is not None:
            self._change("settings", "brand", msgspec.to_builtins(brand))
        if questions is not None:
            self._change("cadence", "survey", {**msgspec.json.decode(raw("cadence"))["survey"], "questions": questions})
        customer = {**ADA, "locale": LOCALES[language], "first_name": name}
        self.journey_id = self.stack.resolved(subject=subject, customer=customer)
        self.stack.run_until(self.stack.clock.now + timedelta(days=2))

    def _change(self, kind: str, name: str, value: Any) -> None:
        changed = msgspec.json.encode(msgspec.json.decode(raw(kind)) | {name: value})
        self.stack.wiring.documents.put(kind, changed, self.stack.clock.now, by="lead", activate=True)

    def look(self, name: str, path: str) -> str:
        """Open a page; returns what it shows."""
        return self._kept(name, self.stack.request("GET", path, {"accept-language": LOCALES[self.language]}))

    def press(self, name: str, path: str, **fields: str) -> str:
        """Open a page as it is now, read it, and press a button; returns what that shows."""
        page = self.stack.request("GET", path).body.decode()
        return self.send(name, path, page, **fields)

    def send(self, name: str, path: str, page: str, **fields: str) -> str:
        """Press a button on a page that was opened before."""
        if not self.stack.off:  # else nothing that time brings could be dealt with
            self.stack.run_until(self.stack.clock.now + READING)
        hidden = {key: unescape(value) for key, value in _HIDDEN.findall(page)}
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "accept-language": LOCALES[self.language],
        }
        return self._kept(name, self.stack.request("POST", path, headers, urlencode({**hidden, **fields}).encode()))

    def _kept(self, name, reply):
        html = reply.body.decode()
        self.seen.append(Seen(name, reply.status, html))
        return html

    def everywhere(self) -> list[Seen]:
        """Go through every page, in the order in which a customer may come by them."""
        links = self.stack.wiring.links
        answer, opt_out = self.stack.path("a"), "/o/" + links.token(Link("opt_out", self.journey_id, "survey"))
        self.look("a link that does not work", "/a/x")
        self.look("survey", answer)
        self.look("survey, a low rating marked", f"{answer}?r=1")
        self.look("survey, a high rating marked", f"{answer}?r=5")
        self.press("survey, nothing chosen", answer)
        self.press("survey, too much written", answer, csat="1", words="x" * 9_000)
        page = self.stack.request("GET", answer).body.decode()
        self.stack.run_until(self.stack.clock.now + READING)
        self.stack.off.add("dynamodb")
        self.send("received", answer, page, csat="1", words="So so")
        self.stack.off.add("sqs")
        self.send("not sent", answer, page, csat="1", words=WORDS)
        self.stack.off.clear()
        self.stack.settle()
        self.press("thanks for a bad answer", answer, csat="1", words=WORDS)
        self.stack.settle()
        self.look("survey, answered already", answer)
        self._recover()
        proposal = self.stack.paths("p")[-1]
        self.look("proposal", proposal)
        self.press("proposal, nothing chosen", proposal)
        self.press("thanks for a word on a proposal", proposal, choice="meets")
        self.look("proposal, accepted", proposal)
        self.look("opting out", opt_out)
        self.press("opted out for a while", opt_out, scope="pause")
        self.press("opted out", opt_out, scope="asks")
        self.press("opted out of everything", opt_out, scope="everything")
        self.stack.run_until(self.stack.clock.now + timedelta(days=30))
        self.look("survey, too late for a rating", answer)
        # Last, for an answer soon after it would be doubted.
        self.look("decoy", "/d/" + links.token(Link("decoy", self.journey_id, "survey")))
        return self.seen

    def _recover(self) -> None:
        for act in (
            {"act": "take"},
            {"act": "apologise", "text": "I am sorry."},
            {"act": "propose", "text": "A new lamp, today."},
        ):
            told = {
                "journey_id": self.journey_id,
                "by": "ana",
                "acted_at": self.stack.clock.now.isoformat(),
                **act,
            }
            assert self.stack.tell("/acts", "staff.acted", told).status == 200
        self.stack.settle()
