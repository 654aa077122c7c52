"""A browser at the console, without a browser: it keeps one cookie and reads the form token off the page."""

import re
from email import message_from_bytes, policy
from urllib.parse import urlencode

_LINK = re.compile(r"http://127\.0\.0\.1:8000(/console/sign-in/[^\s<>\"?]+)")
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')
ADDRESS = {
    "viewer": "vera@staff.example.com",
    "agent": "ana.duarte@staff.example.com",
    "lead": "samir.haddad@staff.example.com",
    "admin": "ines.okafor@staff.example.com",
}


class Browser:
    """Asks, keeps cookies, presses buttons."""

    def __init__(self, stack):
        self.stack = stack
        self.cookies = {}
        self.form_token = ""

    def send(self, method, path, body=b"", **headers):
        sent = {"accept": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = self.stack.request(method, path, sent, body)
        self._keep(reply)
        return reply

    def _keep(self, reply):
        set_cookie = reply.headers.get("Set-Cookie", "")
        if set_cookie:
            name, _, value = set_cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        token = _TOKEN.search(reply.body.decode())
        if token:
            self.form_token = token[1]

    def get(self, path, **headers):
        return self.send("GET", path, **headers)

    def press(self, path, token=None, **fields):
        """Post a form of the page that was looked at last."""
        fields = {"form_token": self.form_token if token is None else token, **fields}
        headers = {"content-type": "application/x-www-form-urlencoded", "origin": "http://localhost"}
        return self.send("POST", path, urlencode(fields).encode(), **headers)

    # -- signing in --------------------------------------------------------------------------------------

    def ask(self, address, back=""):
        """Ask for a link; returns its path, or nothing when no mail came."""
        self.get("/console/sign-in" + (f"?back={back}" if back else ""))
        before = len(self.stack.account.ses.sent)
        self.asked = self.press("/console/sign-in", email=address, back=back)
        self.stack.settle()
        mails = self.stack.account.ses.sent[before:]
        return link_in(mails[-1]) if mails else ""

    def sign_in(self, address=ADDRESS["lead"]):
        """Sign in by the link in the mail."""
        link = self.ask(address)
        self.get(link)
        reply = self.press(link)
        assert (reply.status, reply.headers["Location"]) == (303, "/console"), reply.body
        return self


def link_in(mail):
    text = message_from_bytes(mail.raw, policy=policy.default).get_body(("plain",)).get_content()
    return _LINK.search(text)[1]
