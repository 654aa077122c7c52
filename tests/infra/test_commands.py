"""What the commands of ops say when they cannot do what they were asked to, and how they end. No AWS is here."""

import pytest
from botocore.exceptions import ClientError

from infra import deploy
from infra.aws import Aws

STAGE = "test"


ON_A_STAGE = ["deploy", "diff", "configure", "destroy", "secrets", "package"]
ON_AWS = [["deploy"], ["diff"], ["configure"], ["secrets"], ["destroy", "--confirm", STAGE]]


@pytest.mark.parametrize("command", ON_A_STAGE)
def test_a_name_that_no_stage_may_have_is_refused_before_anything_is_done(said, command):
    status, words = said(command, "--stage", "My_Stage")
    reason = "'My_Stage' is no name of a stage: a lower-case letter, then up to 19 letters, digits and hyphens"
    assert (status, words.splitlines()[-1]) == (2, f"python -m infra {command}: error: argument --stage: {reason}")


@pytest.mark.parametrize("words", ON_AWS, ids=lambda words: words[0])
def test_without_a_region_one_is_asked_for(said, monkeypatch, words):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    no_region = "no Region: set AWS_REGION or AWS_DEFAULT_REGION, or name one in the profile\n"
    assert said(*words, "--stage", STAGE) == (2, no_region)


@pytest.fixture
def elsewhere(monkeypatch):
    """Nothing listens where AWS should be; nothing is asked twice."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.mark.parametrize("words", ON_AWS, ids=lambda words: words[0])
def test_without_credentials_they_are_asked_for(said, monkeypatch, elsewhere, words):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    assert said(*words, "--stage", STAGE) == (2, "AWS: Unable to locate credentials\n")


@pytest.mark.parametrize("words", ON_AWS, ids=lambda words: words[0])
def test_where_aws_cannot_be_reached_that_is_said(said, elsewhere, words):
    status, told = said(*words, "--stage", STAGE)
    assert (status, told.startswith("AWS: Could not connect to the endpoint URL"), told.count("\n")) == (3, True, 1)


def test_what_aws_refuses_is_said_with_what_was_asked(said, monkeypatch):
    def refuse(self, service):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "DescribeStacks")

    monkeypatch.setattr(Aws, "_client", refuse)
    refused = "AWS: An error occurred (AccessDenied) when calling the DescribeStacks operation: not authorized\n"
    assert said("diff", "--stage", STAGE) == (1, refused)


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--mail-from", "care", "'care' is not an address such as care@example.com"),
        (
            "--mail-from",
            "Care <care@example.com>",
            "'Care <care@example.com>' is not an address such as care@example.com",
        ),
        ("--reply-to", "help@", "'help@' is not an address such as care@example.com"),
        ("--base-url", "care.example.com", "not an address such as https://care.example.com/api: care.example.com"),
        (
            "--base-url",
            "http://care.example.com",
            "only this machine is spoken to without TLS; write https: http://care.example.com",
        ),
    ],
)
def test_an_address_that_would_break_every_mail_is_refused(said, option, value, why):
    status, words = said("deploy", "--stage", STAGE, option, value)
    assert (status, words.splitlines()[-1]) == (2, f"python -m infra deploy: error: argument {option}: {why}")


def test_a_fault_of_ours_shows_where_it_happened(said, monkeypatch):
    def break_down(*arguments):
        raise LookupError("no such thing")

    monkeypatch.setattr(deploy.Deployer, "differences", break_down)
    with pytest.raises(LookupError):
        said("diff", "--stage", STAGE)
