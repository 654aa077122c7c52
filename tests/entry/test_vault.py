"""Secrets can be changed while other systems sign with them: no message is refused, and no secret is shown."""

from datetime import timedelta

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.entry import webhooks
from chalicelib.vault import TRUSTED_FOR, Known, NotPossible, Vault
from local.stack import SECRETS_PREFIX, WEBHOOK_SECRET


@pytest.fixture
def vault(stack):
    """Another process than the one that answers requests: what it changes has to be noticed there."""
    return Vault(stack.account.client("ssm"), SECRETS_PREFIX, stack.clock)


def _signed_with(stack, secret):
    body = b'{"type": "case.withdrawn", "data": {}}'
    signature = webhooks.sign(webhooks.key_of(secret), "msg-1", stack.clock.now, body)
    reply = stack.request("POST", "/cases", {"content-type": "application/json", **signature}, body)
    return "known" if reply.status == 422 else {401: "refused"}[reply.status]


def _later(stack):
    stack.clock.move(stack.clock.now + TRUSTED_FOR)


def test_while_a_secret_is_changed_both_hold_and_then_only_the_new_one(stack, vault):
    assert _signed_with(stack, WEBHOOK_SECRET) == "known"
    _, new = vault.add_webhook_secret()
    _later(stack)
    assert [_signed_with(stack, secret) for secret in (WEBHOOK_SECRET, new)] == ["known", "known"]
    old = vault.webhook_secrets()[1]
    vault.retire_webhook_secret(old.fingerprint)
    _later(stack)
    assert [_signed_with(stack, secret) for secret in (WEBHOOK_SECRET, new)] == ["refused", "known"]


def test_a_secret_is_shown_by_its_fingerprint_only(vault):
    known, secret = vault.add_webhook_secret()
    assert vault.webhook_secrets()[0] == known == Known(fingerprint=known.fingerprint)
    assert known.fingerprint not in secret


def test_no_third_secret_is_made(vault):
    vault.add_webhook_secret()
    with pytest.raises(NotPossible, match="Two secrets hold already"):
        vault.add_webhook_secret()


def test_the_last_secret_cannot_be_retired(vault):
    (only,) = vault.webhook_secrets()
    with pytest.raises(NotPossible, match="the only secret"):
        vault.retire_webhook_secret(only.fingerprint)
    with pytest.raises(LookupError, match="no such secret"):
        vault.retire_webhook_secret("00000000")


def test_while_the_parameter_store_is_away_what_was_read_before_goes_on(stack):
    assert _signed_with(stack, WEBHOOK_SECRET) == "known"
    stack.off.add("ssm")
    _later(stack)
    assert _signed_with(stack, WEBHOOK_SECRET) == "known"


def test_without_anything_read_before_it_is_an_outage(stack):
    stack.off.add("ssm")
    outage = Vault(stack.wiring._client("ssm"), SECRETS_PREFIX, stack.clock)  # noqa: SLF001 - the client that can fail
    with pytest.raises(EndpointConnectionError):
        outage.signing_secrets()


def test_secrets_are_read_once_a_minute_and_not_for_every_message(stack):
    for second in range(0, 180, 10):
        stack.clock.move(stack.clock.now + timedelta(seconds=10))
        assert _signed_with(stack, WEBHOOK_SECRET) == "known", second
    assert stack.account.calls["ssm.GetParameters"] == 3
