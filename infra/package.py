"""Makes the deployment package of a stage under build/package: what ``chalice package`` emits, with bytecode, checked.

The template that goes with it belongs to no account or Region: their names are left to CloudFormation, and what only a
person can decide (addresses) are its parameters.
"""

import argparse
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from infra import chalice_config, options, policies, stack
from infra.failures import Failed
from infra.interpreter import RUNTIME, RUNTIMES, Interpreter, interpreter, run_quietly

PROJECT: Final = Path(__file__).parents[1]
ARCHITECTURES: Final = ("arm64", "x86_64")

#: (stage, outputs of its stack, folder): writes one policy for each function into the folder.
WritePolicies: TypeAlias = Callable[[str, Mapping[str, str], Path], object]

#: What the zip is made of; the rest of the project never gets near Chalice.
_SHIPPED: Final = ("app.py", "chalicelib", "vendor", "requirements.txt")
_LEFTOVERS: Final = ("__pycache__", "*.pyc", ".*", "*.orig", "*.rej", "*.swp", "*~", "*.po", "*.pot")
#: What only the people of a stage know → the parameter of the template that asks for it.
_PARAMETERS: Final = {
    "BASE_URL": "BaseUrl",
    "MAIL_FROM": "MailFrom",
    "REPLY_TO": "ReplyTo",
    "MAIL_ONLY_TO": "MailOnlyTo",
}
_DESCRIPTIONS: Final = {
    "BaseUrl": "Where customers reach the pages, without a slash at the end; links in mails begin with it.",
    "MailFrom": "The address that mails come from, of an identity that SES has verified.",
    "ReplyTo": "The address that people read.",
    "MailOnlyTo": "Addresses and domains, separated by commas, that the stage may write to; * for everyone.",
}
_SOME_REGION: Final = "us-east-1"
#: As ELF headers (e_machine) name the processors, and wheels the platforms.
_MACHINES: Final = {"arm64": (0xB7, "aarch64"), "x86_64": (0x3E, "x86_64")}


class Incomplete(Failed):
    """The package lacks something or holds what cannot run there; the message says what. Chalice only warns of it."""


class ChaliceFailed(Failed):
    """A command of Chalice ended with an error; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Package:
    """What was made."""

    zip: Path
    template: Path


def package(
    stage: str,
    *,
    project: Path = PROJECT,
    architecture: str = chalice_config.ARCHITECTURE,
    python: Interpreter | None = None,
    write_policies: WritePolicies = policies.write,
) -> Package:
    """Make the package of a stage, of a clean copy of what ships; needs no account.

    Raises ChaliceFailed, and Incomplete when wheels are missing or made for another platform.
    """
    python = python or interpreter(project)
    place = project / "build" / "package" / stage
    shutil.rmtree(place, ignore_errors=True)
    copy = _clean_copy(project, place / "project")
    _configure(copy, stage, architecture, write_policies)
    print(chalice(python, copy, "package", "--stage", stage, str(place)), end="")
    archive = (place / "deployment.zip").rename(place / "aftercare.zip")
    finish(archive, python, project / "requirements.txt", architecture)
    template = place / "template.json"
    made = json.loads((place / "sam.json").read_text("utf-8"))
    template.write_text(json.dumps(portable(made, stage, archive.name), indent=2) + "\n", "utf-8")
    (place / "sam.json").unlink()
    shutil.rmtree(copy)
    return Package(archive, template)


def finish(archive: Path, python: Interpreter, requirements: Path, architecture: str) -> None:
    """Turn a zip that Chalice made into what ships: checked, and with bytecode. Raises Incomplete."""
    missing = absent(archive, requirements) + foreign(archive, architecture)
    if missing:
        raise Incomplete("; ".join(missing))
    script = Path(__file__).with_name("bytecode.py")
    done = run_quietly([python.python, "-I", "-B", script, archive])
    if done.returncode:
        raise Incomplete(done.stdout + done.stderr)


def chalice(python: Interpreter, project: Path, *arguments: str, region: str = _SOME_REGION) -> str:
    """Run a command of Chalice in a project and return what it printed; raises ChaliceFailed.

    ``region`` is where it works; a command that asks nothing of AWS needs one for the suffix of AWS's domain only.
    """
    # Said outright: what it would find by itself is another Region than ours, where AWS_REGION or a profile names that.
    # Without bytecode, for Chalice ships the __pycache__ that importing app.py would leave.
    environment = {**os.environ, "AWS_DEFAULT_REGION": region, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)  # what is imported while app.py is loaded is what was installed for it
    done = run_quietly([python.chalice, "--project-dir", project, *arguments], env=environment, cwd=project)
    if done.returncode:
        raise ChaliceFailed(f"chalice {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout


def _clean_copy(project: Path, copy: Path) -> Path:
    copy.mkdir(parents=True)
    ignore = shutil.ignore_patterns(*_LEFTOVERS)
    for name in _SHIPPED:
        source = project / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignore)  # follows vendor/templates
        else:
            shutil.copy2(source, copy / name)
    return copy


def _configure(copy: Path, stage: str, architecture: str, write_policies: WritePolicies) -> None:
    """Configure the stage with CloudFormation's names for account and Region in place of an account's."""
    outputs = stack.outputs(stage, "${AWS::AccountId}", "${AWS::Region}")
    addresses = {variable: f"${{{parameter}}}" for variable, parameter in _PARAMETERS.items()}
    environment = {**stack.environment(outputs), **addresses, "SECRETS_PREFIX": secrets_prefix(stage)}
    folder = chalice_config.policy_folder(stage)
    section = chalice_config.section(stage, environment, folder=folder, architecture=architecture)
    chalice_config.write(copy, stage, section)
    policies = copy / ".chalice" / folder
    policies.mkdir(parents=True)
    write_policies(stage, outputs, policies)


def secrets_prefix(stage: str) -> str:
    """Return where the secrets of a stage stand in the parameter store."""
    return f"/aftercare/{stage}"


# -- what is in the zip ----------------------------------------------------------------------------------------

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s#]+)", re.MULTILINE)
_DISTRIBUTION: Final = re.compile(r"^([^/]+)-([^-/]+)\.dist-info/")


def absent(archive: Path, requirements: Path) -> list[str]:
    """Say which pinned requirements are not in the zip in that release."""
    with zipfile.ZipFile(archive) as opened:
        found = {_distribution(match) for match in map(_DISTRIBUTION.match, opened.namelist()) if match}
    pins = [(name, release) for name, release in _PIN.findall(requirements.read_text("utf-8"))]
    return [f"{name}=={release} is not in the zip" for name, release in pins if (_normal(name), release) not in found]


def _distribution(match: re.Match[str]) -> tuple[str, str]:
    return _normal(match[1]), match[2]


def _normal(name: str) -> str:
    """Return the name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def foreign(archive: Path, architecture: str) -> list[str]:
    """Say which shared libraries in the zip are not made for that processor."""
    machine, name = _MACHINES[architecture]
    with zipfile.ZipFile(archive) as opened:
        libraries = [each for each in opened.namelist() if re.search(r"\.so(\.\d+)*$", each)]
        return [f"{each} is not for {name}" for each in libraries if _machine(opened.read(each)) != machine]


def _machine(library: bytes) -> int:
    """Return the processor of an ELF file: two bytes at offset 18 (System V ABI, ELF header)."""
    return int.from_bytes(library[18:20], "little")


# -- the template ----------------------------------------------------------------------------------------------

_FUNCTION: Final = "AWS::Serverless::Function"


def portable(template: dict[str, Any], stage: str, archive: str) -> dict[str, Any]:
    """Return Chalice's template for whichever account and Region it is created in.

    Functions get the names that ``chalice deploy`` gives them: the log groups and policies of the stage know those.
    """
    made: dict[str, Any] = _substituted(template)
    asked = {name: {"Type": "String", "Description": text} for name, text in _DESCRIPTIONS.items()}
    made["Parameters"] = {**made.get("Parameters", {}), **asked}
    for resource in made["Resources"].values():
        if resource["Type"] == _FUNCTION:
            properties = resource["Properties"]
            properties["CodeUri"] = f"./{archive}"
            handler = properties["Handler"].removeprefix("app.")
            function = chalice_config.API_FUNCTION if handler == "app" else handler
            properties["FunctionName"] = chalice_config.function_name(stage, function)
    return made


def _substituted(value: Any) -> Any:
    """Let CloudFormation fill in what stands for an account, a Region or a parameter."""
    if isinstance(value, dict):
        return value if "Fn::Sub" in value else {name: _substituted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_substituted(each) for each in value]
    if isinstance(value, str) and _names(value):
        return {"Fn::Sub": value}
    return value


def _names(text: str) -> bool:
    return "${AWS::" in text or any(f"${{{name}}}" in text for name in _PARAMETERS.values())


# -- the command -----------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``python -m infra package``."""
    parser.description = "Make the zip and the template of a stage under build/package."
    options.add_stage(parser)
    parser.add_argument("--architecture", choices=ARCHITECTURES, default=chalice_config.ARCHITECTURE)
    parser.add_argument(
        "--runtime", choices=RUNTIMES, default=RUNTIME, help="release of Python on Lambda (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Make the package that the command asks for; returns the exit code."""
    made = package(args.stage, architecture=args.architecture, python=interpreter(PROJECT, args.runtime))
    megabytes = made.zip.stat().st_size / 1e6
    print(f"{made.zip.relative_to(PROJECT)}  {megabytes:.1f} MB\n{made.template.relative_to(PROJECT)}")
    return 0
