"""Signing in by a link that is mailed to an invited address, and signing out.

The link opens a page with a button; the button uses the link, once, within ten minutes, in the browser that asked for
it. So a scanner that follows links signs nobody in, and one that presses buttons too has another cookie. The answer to
whoever asks is the same whether the address is known or not.
"""

import re
from datetime import timedelta
from secrets import token_hex

from chalice import Response

from chalicelib.entry import guard
from chalicelib.entry.api.problems import Refused
from chalicelib.entry.console.house import House, Visit, page_of_ours
from chalicelib.entry.desk import OUTSIDE
from chalicelib.links import BadLink
from chalicelib.store.access import Session, SignIn, Spent, TooMany, hashed, member_pk
from chalicelib.store.audit import Entry, Verb, audit_id

#: A link to sign in by is of use so long.
LINK_LASTS = timedelta(minutes=10)
#: Links that one address may ask for in an hour.
LINKS_AN_HOUR = 5
#: The browser that asked is remembered a little longer than its link lasts.
_ASKED_FOR = timedelta(minutes=30)
#: A mail that nobody has sent by then is looked for by the reconciler.
_LOOK_AFTER = timedelta(minutes=1)
_LONGEST_ADDRESS = 254
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def show(visit: Visit) -> Response:
    """Show the form that asks for a link; whoever is signed in already is sent on."""
    back = page_of_ours(visit.query("back"))
    if visit.house.guard.signed_in(visit.sent) is not None:
        return visit.see(back)
    token = visit.token or guard.new_token()
    visit.token = token
    reply = _form(visit, back)
    return _remember(reply, token, _ASKED_FOR)


def ask(visit: Visit) -> Response:
    """Take the request for a link; says the same whoever asked, and whether or not there will be a mail."""
    address = visit.fields.get("email", "").strip()
    back = page_of_ours(visit.fields.get("back", ""))
    if len(address) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(address):
        error = "Please write your mail address, like ana@example.com."
        return _form(visit, back, error=error, typed=address, status=422)
    house = visit.house
    member = house.guard.member_at(address)
    sign_in = SignIn(
        id=token_hex(16),
        member_id=member.id if member else "",
        browser=hashed(visit.token),
        until=visit.now + LINK_LASTS,
        back=back,
    )
    try:
        house.partners.access.ask(sign_in, address, LINKS_AN_HOUR, visit.now, visit.now + _LOOK_AFTER)
    except TooMany:
        pass
    else:
        house.partners.desk.wake(member_pk(sign_in.member_id))
    reply = visit.show("sign-in-asked", title="Look into your mailbox")
    return _remember(reply, visit.token, _ASKED_FOR)


def _form(visit: Visit, back: str, *, error: str = "", typed: str = "", status: int = 200) -> Response:
    """Show the form; with the company's own provider beside it, where there is one and it can be read."""
    try:
        provider = visit.house.provider()
    except (ValueError, *OUTSIDE) as fault:
        visit.house.log.warning("the company's sign-in cannot be offered", extra={"error": type(fault).__name__})
        provider = None
    label = provider.config.label if provider else ""
    return visit.show("sign-in", title="Sign in", status=status, back=back, error=error, typed=typed, provider=label)


def confirm(visit: Visit) -> Response:
    """Show the button that signs in; looking at it uses nothing. Whoever is in already, and came back, is sent on."""
    sign_in = _link(visit)
    if sign_in.browser != hashed(visit.token):
        if visit.house.guard.signed_in(visit.sent) is not None:
            return visit.see("/console")
        raise Refused(403, "Another browser asked", _ELSEWHERE)
    return visit.show("sign-in-confirm", title="Sign in")


def enter(visit: Visit) -> Response:
    """Use the link and begin a session, with a token that this browser did not have before."""
    sign_in = _link(visit)
    house, token = visit.house, guard.new_token()
    member = house.guard.staff().member(sign_in.member_id)
    if member is None or member.may == "none":
        raise Refused(403, "Not valid any more", _GONE)
    session = Session(member.id, visit.now, house.partners.access.epoch(member.id))
    try:
        house.partners.access.enter(sign_in, visit.token, token, session)
    except Spent as error:
        raise Refused(403, "Not valid any more", _GONE) from error
    note(house, member.id, member.may, "signed in", visit)
    return _remember(visit.see(sign_in.back), token, guard.LONGEST)


def leave(visit: Visit) -> Response:
    """Sign this browser out: its session ends, and it forgets its cookie."""
    visit.house.partners.access.end(visit.token, visit.now)
    note(visit.house, visit.actor.id, visit.actor.role, "signed out", visit)
    return _remember(visit.see("/console/sign-in"), "", timedelta())


_GONE = "A link to sign in works once, within ten minutes, in the browser that asked for it. Ask for a new one."
_ELSEWHERE = (
    "A link to sign in works only in the browser that asked for it, so that nobody else can use it. "
    "Open it there, or ask for a new link here."
)


def note(house: House, who: str, role: str, verb: Verb, visit: Visit) -> None:
    """Write into the audit that somebody came or went."""
    entry = Entry(audit_id(), visit.now, who, role, verb, visit.route.handler, f"member/{who}")
    house.partners.audit.add(entry)


def _link(visit: Visit) -> SignIn:
    """Return what a link is about; raises Refused for one that is not ours, or of no use any more."""
    partners = visit.house.partners
    try:
        link = partners.links.read(visit.parameters["token"], "sign_in", visit.now)
    except BadLink as error:
        raise Refused(403, "Not valid any more", _GONE) from error
    found = partners.access.asked(link.subject)
    if found is None or found.until <= visit.now:
        raise Refused(403, "Not valid any more", _GONE)
    return found


def _remember(reply: Response, token: str, lasts: timedelta) -> Response:
    headers = {**reply.headers, "Set-Cookie": guard.set_cookie(token, lasts)}
    return Response(reply.body, status_code=reply.status_code, headers=headers)
