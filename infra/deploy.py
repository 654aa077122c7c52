"""Deploys a stage: the stack, its secrets, the configuration, the functions, and what Chalice cannot set.

Every step looks before it acts, so running it again changes nothing, and a run that failed half-way is run again. The
stack is guarded by CloudFormation itself, all that follows by a lock in the stage's table.
"""

import argparse
import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chalicelib.effects.allowlist import EVERYONE
from infra import after_deploy, chalice_config, deployed, keys, options, policies, stack
from infra.aws import Aws
from infra.cloudformation import Stacks
from infra.failures import BadUsage, Failed
from infra.interpreter import RUNTIME, RUNTIMES, Interpreter, interpreter
from infra.package import ARCHITECTURES, PROJECT, chalice, finish, secrets_prefix

#: What the people of a stage choose, and the environment variable that each becomes.
CHOICES: Final = {
    "mail_from": "MAIL_FROM",
    "reply_to": "REPLY_TO",
    "base_url": "BASE_URL",
    "inbound_domain": "INBOUND_DOMAIN",
    "mail_only_to": "MAIL_ONLY_TO",
}
#: What they choose of the stack, and the parameter of the template that each becomes.
PARAMETERS: Final = {
    "alarm_topic": "AlarmTopicArn",
    "inbound_domain": "InboundDomain",
    "inbound_rule_set": "InboundRuleSet",
}
#: What they choose of the functions themselves.
MADE_FOR: Final = ("architecture", "runtime")
#: The stages that write to everyone without being told so; template.yaml guards their table too.
PRODUCTION: Final = ("prod", "production")

RunChalice = Callable[..., str]


class MissingChoice(BadUsage):
    """Something that only a person can decide was never said; the message names the option."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for."""

    stage: str
    #: Choices that are given now; those that are not stay as they were.
    choices: Mapping[str, str]
    #: Values of the template's parameters that are given now; the others stay too.
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: Deploy the functions though nothing differs.
    force: bool = False
    project: Path = PROJECT


@dataclass(frozen=True, slots=True)
class Address:
    """Where a stage is reached."""

    #: Of API Gateway: what helpdesks post to, whatever the mails say.
    api: str
    #: What links in mails begin with.
    base: str
    bus: str
    #: Whom it may write to, as the functions have it: see `only_to`.
    mails_to: str


class Deployer:
    """Deploys one stage."""

    def __init__(
        self,
        plan: Plan,
        aws: Aws,
        say: Callable[[str], None] = print,
        run_chalice: RunChalice = chalice,
        python: Interpreter | None = None,
    ) -> None:
        """Take the plan, the account, where to report, and what may be replaced: Chalice and its Python."""
        self._plan = plan
        self._aws = aws
        self._say = say
        self._run_chalice = run_chalice
        self._python = python
        #: What holds for this stage: replaced by what was chosen before and now as soon as that is known.
        self._chosen = dict(plan.choices)

    def deploy(self) -> Address:
        """Do it all; what it raises names the step, and running it again goes on from there."""
        stage = self._plan.stage
        stacks = Stacks(self._aws.client("cloudformation"))
        if not stacks.exists(stage):
            _check(self._plan.choices)  # before anything is made for a stage that could not be deployed
        made = stacks.ensure(stage, self._plan.parameters)
        self._say(f"stack      {'created or updated' if made.changed else 'as the template says'}")
        fresh = keys.ensure(self._aws.client("ssm"), secrets_prefix(stage))
        self._say(f"secrets    {'made: ' + ', '.join(fresh) if fresh else 'kept'}")
        deployment = deployed.Deployment(self._aws.client("dynamodb"), made.outputs["table"])
        with deployment.lock():
            return self._deploy_code(made.outputs, deployment)

    def configure(self) -> None:
        """Write what a bare ``chalice`` command needs of a stage that is provisioned: configuration and state."""
        outputs = Stacks(self._aws.client("cloudformation")).outputs(self._plan.stage)
        deployment = deployed.Deployment(self._aws.client("dynamodb"), outputs["table"])
        state = self._fetch(deployment)
        choices = self._choices(deployment)
        self._write_config(outputs, choices, self._base(choices, state))
        self._say(f"written    {chalice_config.config_file(self._plan.project)}")

    def differences(self) -> list[str]:
        """Return what `deploy` would change, a line each, changing nothing on AWS."""
        stage = self._plan.stage
        stacks = Stacks(self._aws.client("cloudformation"))
        found = [f"stack          {line}" for line in stacks.preview(stage, self._plan.parameters)]
        if not stacks.exists(stage):
            return [*found, "functions      all, for the first time"]
        outputs = self._coming_outputs(stacks)
        deployment = deployed.Deployment(self._aws.client("dynamodb"), outputs["table"])
        before = deployment.read("digest") or {}
        choices = self._chosen = {**(deployment.read("choices") or {}), **self._plan.choices}
        state = self._fetch(deployment)
        self._write_config(outputs, choices, self._base(choices, state))
        archive = self._package()
        after = _digest(self._plan.project, stage, archive)
        found += [f"functions      {_ANOTHER[name]}" for name in after if after[name] != before.get(name)]
        if after["zip"] == before.get("zip") and not self._runs(archive):
            found.append("functions      run another zip than was deployed")
        self._clean()
        return found + [f"configuration  {line}" for line in self._changed_settings()]

    def _coming_outputs(self, stacks: Stacks) -> dict[str, str]:
        """Return the outputs that the stack will have: those it has, and what the template makes of the others."""
        standing = stacks.outputs(self._plan.stage)
        expected = stack.outputs(self._plan.stage, self._aws.account, self._aws.region)
        return {name: standing.get(name, value) for name, value in expected.items()}

    # -- the code ------------------------------------------------------------------------------------------

    def _deploy_code(self, outputs: Mapping[str, str], deployment: deployed.Deployment) -> Address:
        choices = self._choices(deployment)
        state = self._fetch(deployment)
        base = self._base(choices, state)
        state = self._converge(outputs, deployment, choices, base, state)
        if not base:
            # The first deployment of a stage without an address of its own: only now does it have one.
            base = self._base(choices, state)
            state = self._converge(outputs, deployment, choices, base, state)
        api = _api(state)
        changed, impossible = after_deploy.apply(
            self._plan.stage,
            api["rest_api_id"],
            apigateway=self._aws.client("apigateway"),
            aws_lambda=self._aws.client("lambda"),
            log_group_arn=self._log_group_arn(outputs),
        )
        for line in [*(changed or ["as wanted"]), *impossible]:
            self._say(f"settings   {line}")
        return Address(api["rest_api_url"].rstrip("/"), base, outputs["eventBus"], _mails_to(self._plan.stage, choices))

    def _converge(
        self,
        outputs: Mapping[str, str],
        deployment: deployed.Deployment,
        choices: Mapping[str, str],
        base: str,
        state: deployed.State,
    ) -> deployed.State:
        """Bring the functions to the code and the configuration, if they are not there; returns the state after it."""
        self._write_config(outputs, choices, base)
        archive = self._package()
        wanted = _digest(self._plan.project, self._plan.stage, archive)
        changed = self._changed_settings()
        if not (self._plan.force or changed) and deployment.read("digest") == wanted and self._runs(archive):
            self._say("functions  as the code says")
            return state
        deployed.write_state(self._plan.project, self._plan.stage, state)
        deployment.forget("digest")  # until all of it stands
        self._say(self._chalice("deploy", "--stage", self._plan.stage).rstrip())
        after = deployed.read_state(self._plan.project, self._plan.stage)
        deployment.keep("state", after)
        if self._runs(archive):
            deployment.keep("digest", wanted)
        else:
            self._say("functions  run, but from a package of Chalice's own: they start slower. Deploy again.")
        self._clean()
        return after

    def _package(self) -> Path:
        """Make the zip where Chalice looks for it before it makes its own, and put the bytecode in."""
        project, stage = self._plan.project, self._plan.stage
        self._clean()
        out = project / "build" / "deploy" / stage
        shutil.rmtree(out, ignore_errors=True)
        self._chalice("package", "--stage", stage, str(out))
        (archive,) = _cache(project).glob("*.zip")
        finish(archive, self._interpreter(), project / "requirements.txt", self._architecture())
        return archive

    def _clean(self) -> None:
        """Empty Chalice's cache, which goes by contents and misses what is renamed, and what Python left in chalicelib.

        Emptied afterwards too, so that a bare ``chalice deploy`` packages what is there.
        """
        shutil.rmtree(_cache(self._plan.project), ignore_errors=True)
        for folder in [*(self._plan.project / "chalicelib").rglob("__pycache__")]:
            shutil.rmtree(folder, ignore_errors=True)

    def _runs(self, archive: Path) -> bool:
        """Say whether every function runs exactly this zip."""
        wanted = base64.b64encode(hashlib.sha256(archive.read_bytes()).digest()).decode()
        found = self._functions()
        return all(name in found and found[name]["CodeSha256"] == wanted for name in chalice_config.FUNCTIONS)

    def _functions(self) -> dict[str, dict[str, Any]]:
        """Return what Lambda says of each function that stands, by its name in app.py."""
        aws_lambda, found = self._aws.client("lambda"), {}
        for function in chalice_config.FUNCTIONS:
            name = chalice_config.function_name(self._plan.stage, function)
            with suppress(aws_lambda.exceptions.ResourceNotFoundException):
                found[function] = aws_lambda.get_function_configuration(FunctionName=name)
        return found

    def _changed_settings(self) -> list[str]:
        """Say what the functions that stand have other than their configuration: people change it by hand, too."""
        section = chalice_config.read(self._plan.project, self._plan.stage) or {}
        changes: dict[str, list[str]] = {}
        for name, found in self._functions().items():
            own = section["lambda_functions"][name]
            wanted = {**section["environment_variables"], **{each: own[each] for each in _SETTINGS}}
            has = {each: found[as_lambda_has_it] for each, as_lambda_has_it in _SETTINGS.items()}
            for line in _changed({**found.get("Environment", {}).get("Variables", {}), **has}, wanted):
                changes.setdefault(line, []).append(name)
        everywhere = len(chalice_config.FUNCTIONS)
        return [line if len(of) == everywhere else f"{', '.join(of)}: {line}" for line, of in changes.items()]

    def _chalice(self, *arguments: str) -> str:
        return self._run_chalice(self._interpreter(), self._plan.project, *arguments, region=self._aws.region)

    def _interpreter(self) -> Interpreter:
        self._python = self._python or interpreter(self._plan.project, self._chosen.get("runtime", RUNTIME))
        return self._python

    def _architecture(self) -> str:
        return self._chosen.get("architecture", chalice_config.ARCHITECTURE)

    # -- what the stage knows of itself --------------------------------------------------------------------

    def _choices(self, deployment: deployed.Deployment) -> dict[str, str]:
        """Return what was chosen, now or before, and keep it; raises MissingChoice."""
        before = deployment.read("choices") or {}
        choices = self._chosen = {**before, **self._plan.choices}
        _check(choices)
        if choices != before:
            deployment.keep("choices", choices)
        return choices

    def _fetch(self, deployment: deployed.Deployment) -> deployed.State:
        kept = deployment.read("state")
        state = deployed.adopted(kept, self._plan.stage, self._aws.client("lambda"), self._aws.client("apigateway"))
        deployed.write_state(self._plan.project, self._plan.stage, state)
        return state

    def _base(self, choices: Mapping[str, str], state: deployed.State) -> str:
        """Return what links begin with: the address that was chosen, else that of the API, else nothing yet."""
        api = deployed.resource(state, "rest_api")
        return choices.get("base_url") or (api["rest_api_url"] if api else "").rstrip("/")

    def _write_config(self, outputs: Mapping[str, str], choices: Mapping[str, str], base: str) -> None:
        stage, project = self._plan.stage, self._plan.project
        folder = chalice_config.policy_folder(stage)
        chosen = {variable: choices[name] for name, variable in CHOICES.items() if name in choices}
        if "mail_from" in choices:
            chosen["MAIL_ONLY_TO"] = _mails_to(stage, choices)
        environment = {**stack.environment(outputs), **chosen, "SECRETS_PREFIX": secrets_prefix(stage)}
        if base:
            environment["BASE_URL"] = base
        # Nobody reads it. A function keeps the keys that it found when it started, and starts anew when this changes.
        environment["LINK_KEYS_VERSION"] = keys.version(self._aws.client("ssm"), secrets_prefix(stage))
        section = chalice_config.section(stage, environment, folder=folder, architecture=self._architecture())
        chalice_config.write(project, stage, section)
        policies.write(stage, outputs, project / ".chalice" / folder)

    def _log_group_arn(self, outputs: Mapping[str, str]) -> str:
        _, partition, _, region, account, _ = outputs["alarmsQueueArn"].split(":")
        return f"arn:{partition}:logs:{region}:{account}:log-group:/aws/apigateway/aftercare-{self._plan.stage}"


def only_to(stage: str, mail_from: str) -> str:
    """Return to whom a stage of which nobody has said more may write: production to all, others to their own domain."""
    return EVERYONE if stage in PRODUCTION else mail_from.rpartition("@")[2].rstrip("> ").lower()


def _mails_to(stage: str, choices: Mapping[str, str]) -> str:
    """Return whom a stage may write to. Unless it was chosen it is not kept: it follows the sender."""
    return choices.get("mail_only_to") or only_to(stage, choices["mail_from"])


def _check(choices: Mapping[str, str]) -> None:
    """Raise MissingChoice where nobody has said what only people can say."""
    missing = [f"--{name.replace('_', '-')}" for name in ("mail_from", "reply_to") if name not in choices]
    if missing:
        raise MissingChoice(f"say once, for this stage, {' and '.join(missing)}")


def _api(state: deployed.State) -> dict[str, Any]:
    found = deployed.resource(state, "rest_api")
    if found is None:
        raise Failed("Chalice deployed no API")
    return found


def _cache(project: Path) -> Path:
    return project / ".chalice" / "deployments"


def _digest(project: Path, stage: str, archive: Path) -> dict[str, str]:
    """Return what the functions are made of, in short: when none of it differs, deploying would change nothing."""
    folder = project / ".chalice" / chalice_config.policy_folder(stage)
    section = json.dumps(chalice_config.read(project, stage), sort_keys=True).encode()
    written = b"".join(each.read_bytes() for each in sorted(folder.glob("*.json")))
    parts = {"zip": archive.read_bytes(), "configuration": section, "policies": written}
    return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}


#: Part of the digest → how a difference is said.
_ANOTHER: Final = {"zip": "another zip", "configuration": "another configuration", "policies": "other policies"}


#: Of a function's own settings, those that are compared: as Chalice's configuration → as Lambda calls them.
_SETTINGS: Final = {"lambda_memory_size": "MemorySize", "lambda_timeout": "Timeout"}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say which settings differ."""
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return [f"{name}: {before.get(name)} → {after.get(name)}" for name in changed]


# -- the command -----------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``python -m infra deploy``."""
    options.add_stage(parser)
    parser.add_argument(
        "--mail-from", type=options.mailbox, help="address that mails come from, of an identity that SES has verified"
    )
    parser.add_argument("--reply-to", type=options.mailbox, help="address that people read")
    parser.add_argument(
        "--mail-only-to",
        help="addresses and domains, separated by commas, that this stage may write to, or * for everyone"
        " (default: everyone for prod and production, else the domain of --mail-from)",
    )
    parser.add_argument(
        "--base-url", type=options.website, help="where customers reach the pages, if the stage has a domain of its own"
    )
    parser.add_argument("--alarm-topic", help="ARN of the SNS topic that alarms notify")
    parser.add_argument("--inbound-domain", help="where replies of customers arrive, if they are to land on journeys")
    parser.add_argument("--inbound-rule-set", help="receipt rule set of the account in which the stage makes its rule")
    parser.add_argument(
        "--architecture",
        choices=ARCHITECTURES,
        help=f"processor that the functions run on (at first: {chalice_config.ARCHITECTURE})",
    )
    parser.add_argument(
        "--runtime", choices=RUNTIMES, help=f"release of Python that the functions run on (at first: {RUNTIME})"
    )
    parser.add_argument("--force", action="store_true", help="deploy the functions though nothing differs")


def plan(args: argparse.Namespace) -> Plan:
    """Return what the options ask for; what is said once is kept with the stage."""
    chosen = {name: getattr(args, name) for name in (*CHOICES, *MADE_FOR) if getattr(args, name)}
    parameters = {name: getattr(args, option) for option, name in PARAMETERS.items() if getattr(args, option)}
    return Plan(args.stage, chosen, parameters, args.force)


def run(args: argparse.Namespace) -> int:
    """Deploy the stage that the command names; returns the exit code."""
    address = Deployer(plan(args), Aws()).deploy()
    print(f"\napi        {address.api}\nlinks      {address.base}\nevent bus  {address.bus}")
    print(f"mails to   {'everyone' if address.mails_to == EVERYONE else f'{address.mails_to} only'}")
    print(f"webhook key: aws ssm get-parameter --with-decryption --name {secrets_prefix(args.stage)}/webhook-keys")
    return 0
