"""Removes a stage: API, functions, secrets, stack and, last, the table, which remembers how far it came."""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

from infra import chalice_config, deploy, deployed, keys, options
from infra.aws import Aws
from infra.cloudformation import Stacks, name_of
from infra.failures import STATUSES, BadUsage, Failed
from infra.interpreter import RUNTIME, RUNTIMES, Interpreter, interpreter
from infra.package import PROJECT, chalice, secrets_prefix


class HoldsData(Failed):
    """The table holds journeys, or the bucket mails, and nobody said that they may be deleted."""


class NoStage(Failed):
    """Nothing of such a stage stands: perhaps it is in another Region, or has another name."""


class Destroyer:
    """Removes one stage."""

    def __init__(
        self,
        plan: deploy.Plan,
        aws: Aws,
        say: Callable[[str], None] = print,
        run_chalice: deploy.RunChalice = chalice,
        python: Interpreter | None = None,
    ) -> None:
        """Take the same as the deployer."""
        self._plan = plan
        self._aws = aws
        self._say = say
        self._run_chalice = run_chalice
        self._python = python

    def destroy(self, *, delete_data: bool) -> None:
        """Remove all of it; raises HoldsData or NoStage before anything is touched. Half done, it is run again."""
        stage, dynamodb = self._plan.stage, self._aws.client("dynamodb")
        table = name_of(stage)
        if _exists(dynamodb, table):
            deployment = deployed.Deployment(dynamodb, table)
            s3, bucket = self._aws.client("s3"), self._mail_bucket()
            with deployment.lock():
                if not delete_data and deployment.holds_data():
                    raise HoldsData(f"the table {table} holds data; --delete-data deletes it for good")
                if not delete_data and any(_mails(s3, bucket)):
                    raise HoldsData(f"the bucket {bucket} holds mails; --delete-data deletes them for good")
                self._remove_code(deployment)
                _empty(s3, bucket)
                self._remove_stack()
                _delete_table(dynamodb, table)
        else:
            if not Stacks(self._aws.client("cloudformation")).exists(stage):
                raise NoStage(f"there is no stage {stage} in {self._aws.region}: neither its stack nor its table")
            self._remove_stack()
        self._say(f"table      {table} deleted")

    def _remove_code(self, deployment: deployed.Deployment) -> None:
        stage, project = self._plan.stage, self._plan.project
        aws_lambda, apigateway = self._aws.client("lambda"), self._aws.client("apigateway")
        state = deployed.adopted(deployment.read("state"), stage, aws_lambda, apigateway)
        state = {**state, "resources": [*state["resources"], *_functions(state, stage, aws_lambda)]}
        if state["resources"]:
            deployed.write_state(project, stage, state)
            if chalice_config.read(project, stage) is None:
                # chalice delete loads app.py, and wants a section to exist; nothing in it matters for deleting
                chalice_config.write(project, stage, chalice_config.section(stage, {}, folder="policies"))
            python = self._python or interpreter(project, self._plan.choices.get("runtime", RUNTIME))
            self._say(self._run_chalice(python, project, "delete", "--stage", stage, region=self._aws.region).rstrip())
        deployed.state_file(project, stage).unlink(missing_ok=True)
        chalice_config.write(project, stage, None)
        deployment.forget("state")
        deployment.forget("digest")

    def _mail_bucket(self) -> str | None:
        """Return the bucket of mails as they were sent, if the stack still knows it."""
        stacks = Stacks(self._aws.client("cloudformation"))
        return stacks.outputs(self._plan.stage).get("mailBucket") if stacks.exists(self._plan.stage) else None

    def _remove_stack(self) -> None:
        keys.delete(self._aws.client("ssm"), secrets_prefix(self._plan.stage))
        self._say("secrets    deleted")
        Stacks(self._aws.client("cloudformation")).delete(self._plan.stage)
        self._say("stack      deleted")


def _functions(state: deployed.State, stage: str, aws_lambda: Any) -> list[dict[str, Any]]:
    """Return the functions that stand though the state knows nothing of them: a first deployment failed half-way."""
    known = {each["name"] for each in state["resources"]}
    found = []
    for function in chalice_config.FUNCTIONS:
        name = chalice_config.function_name(stage, function)
        try:
            arn = aws_lambda.get_function_configuration(FunctionName=name)["FunctionArn"]
        except aws_lambda.exceptions.ResourceNotFoundException:
            continue
        if function not in known:
            found.append({"name": function, "resource_type": "lambda_function", "lambda_arn": arn})
    return found


def _mails(s3: Any, bucket: str | None) -> Iterator[list[dict[str, str]]]:
    """Yield the keys of what is in a bucket, as many at a time as can be deleted at once; none where it is gone."""
    if bucket is None:
        return
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            if page.get("Contents"):
                yield [{"Key": each["Key"]} for each in page["Contents"]]
    except s3.exceptions.NoSuchBucket:
        return


def _empty(s3: Any, bucket: str | None) -> None:
    """Delete what is in a bucket: CloudFormation deletes none that holds anything. Raises HoldsData where it cannot."""
    for keys_of_mails in _mails(s3, bucket):
        done = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys_of_mails, "Quiet": True})
        if done.get("Errors"):
            raise HoldsData(f"the bucket {bucket} keeps {done['Errors'][0]['Key']}: {done['Errors'][0]['Message']}")


def _exists(dynamodb: Any, table: str) -> bool:
    try:
        dynamodb.describe_table(TableName=table)
    except dynamodb.exceptions.ResourceNotFoundException:
        return False
    return True


def _delete_table(dynamodb: Any, table: str) -> None:
    """Delete the table, which a production stage protects."""
    if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=table)
    dynamodb.get_waiter("table_not_exists").wait(TableName=table)


# -- the command -----------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``python -m infra destroy``."""
    parser.epilog = STATUSES
    parser.add_argument("--stage", type=options.stage, required=True)
    parser.add_argument("--delete-data", action="store_true", help="delete the journeys, persons and documents as well")
    parser.add_argument("--confirm", metavar="STAGE", help="the stage again, instead of being asked for it")
    parser.add_argument("--runtime", choices=RUNTIMES, default=RUNTIME, help="release of Python that runs Chalice")


def run(args: argparse.Namespace) -> int:
    """Ask for the stage's name, and remove it; returns the exit code."""
    confirmed = args.confirm or _asked(args.stage)
    if confirmed != args.stage:
        print("not the same: nothing was removed", file=sys.stderr)
        return 1
    plan = deploy.Plan(args.stage, {"runtime": args.runtime}, project=PROJECT)
    Destroyer(plan, Aws()).destroy(delete_data=args.delete_data)
    return 0


def _asked(stage: str) -> str:
    try:
        return input(f"This removes the stage {stage}. Its name again: ")
    except EOFError as error:
        raise BadUsage("nobody is here to be asked, so nothing was removed; --confirm says the name again") from error
