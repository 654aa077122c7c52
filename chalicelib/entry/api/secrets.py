"""The secrets with which other systems sign: made here, shown once, retired when every system has the new one."""

from typing import Annotated

import msgspec

from chalicelib.entry.api.operations import Context, Nothing, operation
from chalicelib.entry.api.problems import NotFound, Refused
from chalicelib.vault import Known, NotPossible

Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}\Z", description="Which secret.")]


class Secrets(msgspec.Struct, frozen=True):
    """The secrets that hold now, newest first: messages may be signed with any of them."""

    secrets: list[Known]


class Made(msgspec.Struct, frozen=True):
    """A new secret, shown this once."""

    known: Known
    secret: str


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One secret."""

    fingerprint: Fingerprint


@operation()
def listing(context: Context, asked: Nothing) -> Secrets:
    """List the secrets with which other systems may sign, by their fingerprints."""
    del asked
    return Secrets(context.at.vault.webhook_secrets())


@operation(audit="changed", about="secrets", status=201, once=True)
def add(context: Context, asked: Nothing) -> Made:
    """Make a secret beside the one in use; both hold until the old one is retired."""
    del asked
    try:
        known, secret = context.at.vault.add_webhook_secret()
    except NotPossible as error:
        raise Refused(409, "Two hold already", str(error)) from error
    context.about(f"secret/{known.fingerprint}")
    return Made(known, secret)


@operation(audit="changed", about="secret/{fingerprint}")
def retire(context: Context, asked: Which) -> Secrets:
    """Stop trusting a secret, within a minute."""
    try:
        context.at.vault.retire_webhook_secret(asked.fingerprint)
    except NotPossible as error:
        raise Refused(409, "The only one", str(error)) from error
    except LookupError as error:
        raise NotFound("no such secret") from error
    return Secrets(context.at.vault.webhook_secrets())
