"""Renders what Chalice reads of a stage: ``.chalice/config.json`` and the policy files beside it.

The file is made, not committed: it holds the names of one deployment, and without them a bare ``chalice deploy`` would
replace working functions with some that lack their settings. Where it is missing, Chalice stops.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

Section: TypeAlias = dict[str, Any]

APP_NAME: Final = "aftercare"
#: As Chalice calls the function that serves every route.
API_FUNCTION: Final = "api_handler"
#: The stage of API Gateway, which is part of every path; stages of Aftercare have an API each.
API_STAGE: Final = "api"
#: Every function of app.py, the one of the routes first.
FUNCTIONS: Final = (
    API_FUNCTION,
    "on_inbox",
    "on_work",
    "on_alarms",
    "on_feedback",
    "on_reply",
    "on_reconcile",
    "on_figures",
    "on_suppressions",
)
#: Graviton costs a fifth less than x86 for the same time, and all wheels of requirements.txt exist for it.
ARCHITECTURE: Final = "arm64"

#: MB. Lambda gives processor time in proportion, 1,769 MB being one core: a page is waited for by a person, and its
#: cold start is all processor time; a queue waits gladly.
_API_MEMORY: Final = 1024
_WORKER_MEMORY: Final = 512
#: Seconds: API Gateway gives up on a page after 29; the queues' visibility in template.yaml is six times the other.
_API_TIMEOUT: Final = 29
_WORKER_TIMEOUT: Final = 60

#: What correctness leans on, for every stage. Chalice's own policies would grant little of what is used, on "*"; a
#: layer moves the templates to another path; tracing costs a cold start more than all else together. No function
#: reserves concurrency: that would take it from the account, and the table's conditions keep order without it.
_FIXED: Final[Mapping[str, Any]] = {
    "api_gateway_stage": API_STAGE,
    "autogen_policy": False,
    "automatic_layer": False,
    "xray": False,
    # Bytes: API Gateway compresses what is larger, for browsers that ask for it; phones get a page in a third.
    "minimum_compression_size": 1024,
}


def section(stage: str, environment: Mapping[str, str], *, folder: str, architecture: str = ARCHITECTURE) -> Section:
    """Return the section of one stage. ``folder`` has its policies, seen from ``.chalice``: see `policy_folder`."""
    return {
        **_FIXED,
        "lambda_architecture": architecture,
        # Of the stage, not of a function: only these are set while Chalice loads app.py, which asks for STAGE.
        "environment_variables": dict(sorted(environment.items() | {("STAGE", stage)})),
        "lambda_functions": {name: _function(name, folder) for name in FUNCTIONS},
    }


def _function(name: str, folder: str) -> Section:
    is_api = name == API_FUNCTION
    return {
        "iam_policy_file": f"{folder}/{name}.json",
        "lambda_memory_size": _API_MEMORY if is_api else _WORKER_MEMORY,
        "lambda_timeout": _API_TIMEOUT if is_api else _WORKER_TIMEOUT,
    }


def policy_folder(stage: str) -> str:
    """Return where the policies of a stage lie, seen from ``.chalice``."""
    return f"policies/{stage}"


def function_name(stage: str, function: str) -> str:
    """Return the name that Chalice gives a function on AWS; template.yaml names the log groups after it."""
    return f"{APP_NAME}-{stage}" if function == API_FUNCTION else f"{APP_NAME}-{stage}-{function}"


def write(project: Path, stage: str, rendered: Section | None) -> bool:
    """Put the section of a stage into the file, or take it out, keeping those of other stages; says if it changed."""
    path = config_file(project)
    kept = json.loads(path.read_text("utf-8"))["stages"] if path.is_file() else {}
    stages = {name: each for name, each in kept.items() if name != stage}
    if rendered is not None:
        stages[stage] = rendered
    text = _text({"version": "2.0", "app_name": APP_NAME, "stages": dict(sorted(stages.items()))})
    if path.is_file() and path.read_text("utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return True


def read(project: Path, stage: str) -> Section | None:
    """Return the section of a stage as it stands in the file, if it does."""
    path = config_file(project)
    if not path.is_file():
        return None
    found: Section | None = json.loads(path.read_text("utf-8"))["stages"].get(stage)
    return found


def config_file(project: Path) -> Path:
    """Return the file that Chalice reads."""
    return project / ".chalice" / "config.json"


def _text(config: Section) -> str:
    return json.dumps(config, indent=2) + "\n"
