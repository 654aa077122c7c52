"""docs/operations.md: every command on it that has a prompt is run by a test of this folder, as it stands there."""

import importlib
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore import xform_name

from infra.__main__ import COMMANDS
from tests.deploy import page
from tests.deploy.emulator import BY_MODEL

#: Section of the page → the file that runs its commands.
RUN_BY = {
    "Before you begin": "test_operations_page.py",
    "Deploy": "test_deploy.py",
    "What would change": "test_deploy.py",
    "A bare chalice deploy": "test_deploy.py",
    "Access logs": "test_deploy.py",
    "The first survey": "test_deploy.py",
    "By CloudFormation alone": "test_template.py",
    "Remove everything": "test_deploy.py",
}
COMMAND = re.compile(r"(?:aws [a-z0-9-]+ [a-z0-9-]+|make [a-z]+|python -m infra [a-z]+)")


def test_every_command_of_the_page_is_run_by_a_test():
    with_commands = {title for title in page.sections() if page.shown(page.section(title))}
    assert with_commands == RUN_BY.keys()
    for title, file in RUN_BY.items():
        assert f'page.section("{title}")' in Path(__file__).with_name(file).read_text("utf-8")


#: Named where somebody works by hand, and known by their names.
_TOO_SHORT = {"aws sqs receive-message", "aws sqs delete-message"}


def test_a_command_that_is_spoken_of_is_shown_as_well():
    """Only what is shown is run; a command amid a sentence would be neither. Two of them need no account."""
    run = " ; ".join(each.command for title in RUN_BY for each in page.shown(page.section(title)))
    prose = re.sub(r"^ {4,}.*$", "", page.PAGE.read_text("utf-8"), flags=re.MULTILINE)
    spoken = {found for each in re.findall(r"`([^`]+)`", prose) for found in COMMAND.findall(" ".join(each.split()))}
    assert {each for each in spoken if each not in run} <= {"make emulator", "make replay", *_TOO_SHORT}


def test_a_command_that_is_shown_and_not_run_is_one_that_its_program_knows():
    shown = [shlex.split(each) for each in page.shown_only()]
    assert [each for each in shown if not _KNOWS[each[0]](each[1:])] == []
    assert {each[0] for each in shown} == _KNOWS.keys()


def _make_knows(words):
    """Say whether the commands of ops take these options."""
    target, *variables = words
    given = dict(each.split("=", 1) for each in variables)
    return _python_knows(["-m", "infra", target, "--stage", given["STAGE"], *shlex.split(given.get("ARGS", ""))])


def _python_knows(words):
    module, package, target, *options = words
    parser = ArgumentParser(exit_on_error=False)
    importlib.import_module(COMMANDS[target][0]).add_arguments(parser)
    parser.parse_args(options)
    return [module, package] == ["-m", "infra"]


def _aws_knows(words):
    """Say whether the service has that operation, with parameters of these names."""
    service, name, *options = words
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(each, "-"): each for each in model.operation_names}
    members = {xform_name(each, "-") for each in model.operation_model(operations[name]).input_shape.members}
    return {each[2:] for each in options if each.startswith("--")} <= members


_KNOWS = {"make": _make_knows, "aws": _aws_knows, ".venv/bin/python": _python_knows}


def test_what_only_the_model_answered_is_said_on_the_page():
    introduction = " ".join(page.PAGE.read_text("utf-8").partition("\n## ")[0].split())
    said = set(re.findall(r"`aws ([a-z0-9-]+ [a-z0-9-]+)`", introduction))
    assert said == {_as_the_cli_says(each) for each in BY_MODEL}


def _as_the_cli_says(operation):
    service, _, name = operation.partition(":")
    return f"{service} {re.sub(r'(?<!^)(?=[A-Z])', '-', name).lower()}"


@pytest.mark.emulator
def test_a_domain_is_made_ready_to_send_mail_as_the_page_says(aws, project):
    for each in page.shown(page.section("Before you begin")):
        printed = project.run(each.command)
        assert page.is_as_shown(printed, each.prints), f"{each}\n{printed}"
    identities = boto3.client("sesv2").list_email_identities()["EmailIdentities"]
    assert [each["IdentityName"] for each in identities] == ["care.example.com"]
    assert set(aws.asked) >= BY_MODEL


@pytest.mark.emulator
def test_a_command_that_the_service_would_refuse_fails(aws, project):
    """Else an answer by the model would prove nothing."""
    with pytest.raises(AssertionError, match="MailType"):
        project.run("aws sesv2 put-account-details --mail-type ADVERTISING --website-url https://www.example.com")
