"""Who may come in: links to sign in by, sessions, API keys, and what calls with an idempotency key were answered.

Nothing in here is a secret: what somebody must show is stored as its SHA-256, and each has at least 128 random bits.
Nothing is deleted by us either: what has ended says so, and DynamoDB takes it away some time after it has expired.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from chalicelib.boundary import Boundary, straight
from chalicelib.journey.effects import Effect, SendSignIn
from chalicelib.store import items, writing
from chalicelib.store.errors import StoreError
from chalicelib.store.items import Item

#: How long a stored reply is given again to a call with the same idempotency key.
REPLIES_FOR = timedelta(hours=24)
#: A function is killed after half a minute: a call that has not ended by then never will.
_CALL_LASTS = timedelta(minutes=2)
#: What has expired is kept so long for whoever asks why.
_KEPT_AFTER = timedelta(days=1)
_NEW = "attribute_not_exists(pk)"


class Spent(StoreError):
    """This link was used, is not this browser's, or has expired."""


class TooMany(StoreError):
    """Too many links were asked for at this address in this hour."""


class SignIn(msgspec.Struct, frozen=True):
    """A link that was asked for. ``browser`` is the hash of the cookie of the browser that asked.

    ``member_id`` is empty when nobody has that address: then there is no mail, and all else is the same. ``back`` is
    the page that was wanted when it turned out that nobody was signed in.
    """

    id: str
    member_id: str
    browser: str
    until: datetime
    back: str = "/console"


class Session(msgspec.Struct, frozen=True):
    """One browser that is signed in.

    ``role`` and ``name`` are set when a provider vouched for them, else the staff document says who the member is.
    ``epoch`` is how often the member had signed out everywhere before.
    """

    member_id: str
    began_at: datetime
    epoch: int
    role: str = ""
    name: str = ""


class Live(msgspec.Struct, frozen=True):
    """A session as the table has it: what it is, when it was last used, and whether it has been ended."""

    session: Session
    seen_at: datetime
    ended: bool


class ApiKey(msgspec.Struct, frozen=True):
    """An API key, without its secret. ``used_on`` is the last day on which it was used."""

    id: str
    name: str
    role: str
    created_by: str
    created_at: datetime
    secret_hash: str
    used_on: str = ""
    revoked_at: datetime | None = None


class Reply(msgspec.Struct, frozen=True):
    """What a call was answered."""

    status: int
    body: bytes


class Answered(msgspec.Struct, frozen=True):
    """A call with this idempotency key: of what request, and its reply unless it is still under way."""

    request: str
    reply: Reply | None


def hashed(secret: str) -> str:
    """Return what is stored of a secret."""
    return sha256(secret.encode()).hexdigest()


def member_pk(member_id: str) -> str:
    """Return where a member's own items stand: how often they signed out everywhere, and what is owed to them."""
    return f"MEMBER#{member_id}"


class Access:
    """Reads and keeps all of it."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary

    # -- links to sign in by -----------------------------------------------------------------------------

    def ask(self, sign_in: SignIn, address: str, at_most: int, now: datetime, look_at: datetime) -> None:
        """Keep a link that was asked for and owe its mail, unless too many were asked for at the address this hour.

        Raises TooMany. ``look_at`` is when the reconciler looks for a mail that nobody sent.
        """
        hour = items.instant(now)[:13]
        counted = {
            "TableName": self._table,
            "Key": items.key(f"SIGN-INS#{hashed(address.strip().lower())}", hour),
            "UpdateExpression": "ADD asked :one SET expires_at = :expires",
            "ConditionExpression": "attribute_not_exists(asked) OR asked < :most",
            "ExpressionAttributeValues": {
                ":one": {"N": "1"},
                ":most": {"N": str(at_most)},
                ":expires": _seconds(now + _KEPT_AFTER),
            },
        }
        actions: list[Item] = [{"Update": counted}, self._put(_sign_in_item(sign_in), _NEW)]
        if sign_in.member_id:
            effect = SendSignIn(f"sign-in/{sign_in.id}", sign_in.member_id, sign_in.id, sign_in.until)
            item = items.effect_item(member_pk(sign_in.member_id), effect, "1", now, look_at)
            actions.append(self._put(item, _NEW))
        self._transact("ask-sign-in", actions, {0: TooMany})

    def owe(self, member_id: str, effect: Effect, now: datetime, look_at: datetime) -> None:
        """Owe a mail to a member of staff; ``look_at`` is when the reconciler looks for one that nobody sent."""
        item = items.effect_item(member_pk(member_id), effect, "1", now, look_at)
        self._transact("owe", [self._put(item, _NEW)], {})

    def asked(self, sign_in_id: str) -> SignIn | None:
        """Return a link that was asked for, used or not."""
        item = self._get(items.key(f"SIGN-IN#{sign_in_id}", items.STATE))
        return msgspec.json.decode(bytes(item["body"]["B"]), type=SignIn) if item else None

    def enter(self, sign_in: SignIn, browser: str, token: str, session: Session) -> None:
        """Use a link and begin a session, both or neither; raises Spent.

        The link must be unused, unexpired, and that of this browser. ``token`` is what the browser will show.
        """
        used = {
            "TableName": self._table,
            "Key": items.key(f"SIGN-IN#{sign_in.id}", items.STATE),
            "UpdateExpression": "SET used_at = :now",
            "ConditionExpression": "attribute_not_exists(used_at) AND browser = :browser AND valid_until > :now",
            "ExpressionAttributeValues": {
                ":now": {"S": items.instant(session.began_at)},
                ":browser": {"S": hashed(browser)},
            },
        }
        actions = [{"Update": used}, self._put(_session_item(token, session), _NEW)]
        self._transact("sign-in", actions, {0: Spent})

    # -- sessions ----------------------------------------------------------------------------------------

    def begin(self, token: str, session: Session, answer: str = "", until: datetime | None = None) -> None:
        """Begin a session that was vouched for by another way than a link of ours.

        ``answer`` is what it was vouched for by: each begins one session, and is remembered for longer than it holds
        (``until``). Raises Spent for one that has begun a session before.
        """
        actions = []
        if answer and until is not None:
            burnt = {**items.key(f"SIGN-IN#{hashed(answer)}", items.STATE), "expires_at": _seconds(until + _KEPT_AFTER)}
            actions.append(self._put(burnt, _NEW))
        actions.append(self._put(_session_item(token, session), _NEW))
        self._transact("sign-in", actions, {0: Spent} if answer else {})

    def session(self, token: str) -> Live | None:
        """Return the session of a token, ended or not, or None when there is none."""
        item = self._get(items.key(f"SESSION#{hashed(token)}", items.STATE))
        if item is None:
            return None
        return Live(
            session=msgspec.json.decode(bytes(item["body"]["B"]), type=Session),
            seen_at=datetime.fromisoformat(item["seen_at"]["S"]),
            ended="ended_at" in item,
        )

    def saw(self, token: str, now: datetime) -> None:
        """Note that a session is in use."""
        self._set_on_session(token, "SET seen_at = :now", now)

    def end(self, token: str, now: datetime) -> None:
        """End a session."""
        self._set_on_session(token, "SET ended_at = :now", now)

    def _set_on_session(self, token: str, change: str, now: datetime) -> None:
        update = {
            "TableName": self._table,
            "Key": items.key(f"SESSION#{hashed(token)}", items.STATE),
            "UpdateExpression": change,
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeValues": {":now": {"S": items.instant(now)}},
        }
        self._transact("session", [{"Update": update}], {})

    def epoch(self, member_id: str) -> int:
        """Return how often a member has signed out everywhere."""
        item = self._get(items.key(member_pk(member_id), "ACCESS"))
        return int(item["epoch"]["N"]) if item else 0

    def end_all(self, member_id: str) -> None:
        """End every session of a member."""
        update = {
            "TableName": self._table,
            "Key": items.key(member_pk(member_id), "ACCESS"),
            "UpdateExpression": "ADD epoch :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        self._transact("sign-out", [{"Update": update}], {})

    # -- API keys ----------------------------------------------------------------------------------------

    def keep_key(self, key: ApiKey) -> None:
        """Keep a new API key; raises Conflict when there is one of that id."""
        self._transact("api-key", [self._put(_key_item(key), _NEW)], {})

    def key(self, key_id: str) -> ApiKey | None:
        """Return an API key, revoked or not."""
        item = self._get(items.key("KEYS", f"KEY#{key_id}"))
        return _read_key(item) if item else None

    def keys(self, after: str, limit: int) -> tuple[list[ApiKey], str]:
        """Return up to ``limit`` API keys by their ids, and where the next page begins, if there is one."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "KEYS"}},
            "ConsistentRead": True,
            "Limit": limit,
        }
        if after:
            request["ExclusiveStartKey"] = items.key("KEYS", after)
        answer = self._client.query(**request)
        last = answer.get("LastEvaluatedKey")
        return [_read_key(item) for item in answer["Items"]], last["sk"]["S"] if last else ""

    def used_key(self, key_id: str, day: str) -> None:
        """Note the day on which a key was used."""
        self._set_on_key(key_id, "SET used_on = :value", day)

    def revoke_key(self, key_id: str, now: datetime) -> None:
        """Revoke a key, from the next call on; it stays in the list. Raises Conflict for one that there is not."""
        self._set_on_key(key_id, "SET revoked_at = if_not_exists(revoked_at, :value)", items.instant(now))

    def _set_on_key(self, key_id: str, change: str, value: str) -> None:
        update = {
            "TableName": self._table,
            "Key": items.key("KEYS", f"KEY#{key_id}"),
            "UpdateExpression": change,
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeValues": {":value": {"S": value}},
        }
        self._transact("api-key", [{"Update": update}], {})

    # -- calls with an idempotency key -------------------------------------------------------------------

    def answered(self, name: str, now: datetime) -> Answered | None:
        """Return what is known of a call, or None for one that is new, was given up, or is too long ago."""
        item = self._get(_call_key(name))
        if item is None or int(item["expires_at"]["N"]) <= now.timestamp() or item["state"]["S"] == "given up":
            return None
        if item["state"]["S"] == "done":
            return Answered(item["request"]["S"], Reply(int(item["reply_status"]["N"]), bytes(item["reply"]["B"])))
        stale = datetime.fromisoformat(item["began_at"]["S"]) + _CALL_LASTS <= now
        return None if stale else Answered(item["request"]["S"], None)

    def begin_call(self, name: str, request: str, now: datetime) -> None:
        """Note that a call is under way; raises Conflict when another with its key is, or has been answered."""
        item = {
            **_call_key(name),
            "state": {"S": "under way"},
            "request": {"S": request},
            "began_at": {"S": items.instant(now)},
            "expires_at": _seconds(now + REPLIES_FOR),
        }
        condition = (
            "attribute_not_exists(pk) OR expires_at <= :now OR #state = :given_up"
            " OR (#state = :under_way AND began_at <= :stale)"
        )
        put = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {
                ":now": _seconds(now),
                ":given_up": {"S": "given up"},
                ":under_way": {"S": "under way"},
                ":stale": {"S": items.instant(now - _CALL_LASTS)},
            },
        }
        self._transact("begin-call", [{"Put": put}], {})

    def end_call(self, name: str, reply: Reply | None) -> None:
        """Keep the reply of a call; without one, the call came to nothing and may be made again."""
        done = (
            {":state": {"S": "done"}, ":status": {"N": str(reply.status)}, ":reply": {"B": reply.body}} if reply else {}
        )
        update = {
            "TableName": self._table,
            "Key": _call_key(name),
            "UpdateExpression": "SET #state = :state" + (", reply_status = :status, reply = :reply" if reply else ""),
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": done or {":state": {"S": "given up"}},
        }
        self._transact("end-call", [{"Update": update}], {})

    # -- what they share ---------------------------------------------------------------------------------

    def _get(self, key: Item) -> Item | None:
        found: Item | None = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return found

    def _put(self, item: Item, condition: str) -> Item:
        return {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": condition}}

    def _transact(self, name: str, actions: Iterable[Item], meanings: dict[int, type[StoreError]]) -> None:
        """Write all or nothing; ``meanings`` says what the failed condition of an action stands for, else Conflict."""
        writing.together(self._boundary, name, self._client, list(actions), meanings)


def _seconds(at: datetime) -> Item:
    return {"N": str(int(at.timestamp()))}


def _call_key(name: str) -> Item:
    return items.key(f"CALL#{hashed(name)}", items.STATE)


def _sign_in_item(sign_in: SignIn) -> Item:
    return {
        **items.key(f"SIGN-IN#{sign_in.id}", items.STATE),
        "body": {"B": msgspec.json.encode(sign_in)},
        "browser": {"S": sign_in.browser},
        "valid_until": {"S": items.instant(sign_in.until)},
        "expires_at": _seconds(sign_in.until + _KEPT_AFTER),
    }


def _session_item(token: str, session: Session) -> Item:
    return {
        **items.key(f"SESSION#{hashed(token)}", items.STATE),
        "body": {"B": msgspec.json.encode(session)},
        "seen_at": {"S": items.instant(session.began_at)},
        "expires_at": _seconds(session.began_at + 2 * _KEPT_AFTER),
    }


def _key_item(key: ApiKey) -> Item:
    return {
        **items.key("KEYS", f"KEY#{key.id}"),
        "name": {"S": key.name},
        "role": {"S": key.role},
        "created_by": {"S": key.created_by},
        "created_at": {"S": items.instant(key.created_at)},
        "secret_hash": {"S": key.secret_hash},
    }


def _read_key(item: Item) -> ApiKey:
    return ApiKey(
        id=item["sk"]["S"].removeprefix("KEY#"),
        **{name: item[name]["S"] for name in ("name", "role", "created_by", "secret_hash")},
        created_at=datetime.fromisoformat(item["created_at"]["S"]),
        used_on=item["used_on"]["S"] if "used_on" in item else "",
        revoked_at=datetime.fromisoformat(item["revoked_at"]["S"]) if "revoked_at" in item else None,
    )
