"""API keys: made by an admin, shown once, stored as a hash, revoked for good. Each has a role, as a person has."""

from datetime import datetime
from secrets import token_urlsafe
from typing import Annotated

import msgspec

from chalicelib.entry.api import paging
from chalicelib.entry.api.operations import Context, operation
from chalicelib.entry.api.problems import NotFound
from chalicelib.entry.routes import Role
from chalicelib.store.access import ApiKey, hashed

#: What every key begins with, so that one that leaked is recognised by whoever finds it.
PREFIX = "aftercare"

KeyName = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"\S", description="What it is for.")]
KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """An API key, without its secret."""

    id: str
    name: str
    role: Role
    created_by: str
    created_at: datetime
    used_on: str = ""
    revoked_at: datetime | None = None


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page of the list."""

    limit: paging.Limit = 50
    cursor: paging.Cursor = ""


class Keys(msgspec.Struct, frozen=True):
    """API keys, revoked ones too."""

    keys: list[Known]
    next: str = ""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make."""

    name: KeyName
    role: Role


class Made(msgspec.Struct, frozen=True):
    """A new key. ``secret`` is what calls show; it is shown this once and stored nowhere."""

    key: Known
    secret: str


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key."""

    key_id: KeyId


@operation()
def listing(context: Context, asked: Asked) -> Keys:
    """List the API keys."""
    found, last = context.at.access.keys(paging.begins(context, "keys", asked.cursor), asked.limit)
    return Keys([_known(key) for key in found], paging.follows(context, "keys", last))


@operation(audit="changed", about="key/{call}", status=201, once=True)
def create(context: Context, asked: Wanted) -> Made:
    """Make an API key; its secret is in this reply and nowhere else."""
    key_id, secret = context.new_id, token_urlsafe(32)
    key = ApiKey(
        id=key_id,
        name=asked.name.strip(),
        role=asked.role,
        created_by=context.actor.id,
        created_at=context.now,
        secret_hash=hashed(secret),
    )
    context.at.access.keep_key(key)
    return Made(_known(key), f"{PREFIX}.{key_id}.{secret}")


@operation(audit="changed", about="key/{key_id}")
def revoke(context: Context, asked: Which) -> Known:
    """Revoke an API key: from now on it opens nothing, and never will again."""
    if context.at.access.key(asked.key_id) is None:
        raise NotFound(f"no key {asked.key_id}")
    context.at.access.revoke_key(asked.key_id, context.now)
    found = context.at.access.key(asked.key_id)
    assert found is not None  # noqa: S101 - keys are never deleted
    return _known(found)


def _known(key: ApiKey) -> Known:
    told = {name: getattr(key, name) for name in Known.__struct_fields__}
    return Known(**told)
