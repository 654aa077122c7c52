"""The pages of signing in through the company's provider: leaving for it, and coming back."""

from hashlib import sha256

import msgspec
from chalice import Response

from chalicelib.entry import guard
from chalicelib.entry.api.problems import NotFound, Refused
from chalicelib.entry.console.house import Visit, page_of_ours
from chalicelib.entry.console.sign_in import note
from chalicelib.entry.provider import FLOW_LASTS, Flow, Identity, NotVouched, Provider
from chalicelib.links import BadLink
from chalicelib.store.access import Session, Spent

_COOKIE = "__Host-aftercare-flow"
_SCOPE = "provider"
_NO = "Your company's sign-in did not vouch for you in a way that counts here. Try again, or ask for a link by mail."
_NO_ROLE = "You are known, but in no group that may work here. Ask whoever looks after your accounts."


def leave(visit: Visit) -> Response:
    """Send the browser to the provider, with a cookie that says what it left with."""
    try:
        flow, address = _provider(visit).leave(_redirect_uri(visit), page_of_ours(visit.query("back")))
    except NotVouched as error:
        raise _refused(visit, error) from error
    sealed = visit.house.partners.links.seal(_SCOPE, msgspec.json.encode(flow).decode())
    reply = visit.see("/console/sign-in")
    headers = {
        **reply.headers,
        "Location": address,
        "Set-Cookie": guard.set_cookie(sealed, FLOW_LASTS, _COOKIE),
    }
    return Response("", status_code=reply.status_code, headers=headers)


def come_back(visit: Visit) -> Response:
    """Take the provider's answer and begin a session for whom it vouches for; each answer counts once."""
    flow = _flow(visit)
    answer = {name: visit.query(name) for name in ("state", "code", "iss", "error") if visit.query(name)}
    try:
        vouched = _provider(visit).come_back(flow, answer, _redirect_uri(visit))
    except NotVouched as error:
        raise _refused(visit, error) from error
    session, token = _session(visit, vouched), guard.new_token()
    try:
        visit.house.partners.access.begin(token, session, flow.state, flow.until)
    except Spent as error:
        raise Refused(403, "Not accepted", _NO) from error
    note(visit.house, session.member_id, session.role, "signed in", visit)
    reply = visit.see(flow.back)
    headers = {**reply.headers, "Set-Cookie": guard.set_cookie(token, guard.LONGEST)}
    return Response("", status_code=reply.status_code, headers=headers)


def _provider(visit: Visit) -> Provider:
    found = visit.house.provider()
    if found is None:
        raise NotFound("no provider to sign in through")
    return found


def _redirect_uri(visit: Visit) -> str:
    return visit.house.partners.settings.base_url.rstrip("/") + "/console/provider/back"


def _flow(visit: Visit) -> Flow:
    try:
        sealed = visit.house.partners.links.unseal(_SCOPE, guard.cookie(visit.sent, _COOKIE))
    except BadLink as error:
        raise Refused(403, "Not accepted", _NO) from error
    return msgspec.json.decode(sealed, type=Flow)


def _session(visit: Visit, vouched: Identity) -> Session:
    """Return a session of the member whom the staff document binds to this subject, else of the subject alone."""
    staff = visit.house.guard.staff()
    member = next((member for member in staff.members if member.subject == vouched.subject), None)
    if member is not None and member.may == "none":
        raise Refused(403, "Not accepted", _NO_ROLE)
    member_id = member.id if member else guard.SSO + sha256(vouched.subject.encode()).hexdigest()[:16]
    epoch = visit.house.partners.access.epoch(member_id)
    name = member.name if member else vouched.name
    return Session(member_id, visit.now, epoch, vouched.role, name)


def _refused(visit: Visit, error: NotVouched) -> Refused:
    visit.house.log.warning("the provider did not vouch", extra={"why": error.why})
    return Refused(403, "Not accepted", _NO_ROLE if error.why == "no group has a role" else _NO)
