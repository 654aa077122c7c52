"""app.py rings bells: it decides nothing, and costs nothing to import."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import get_args
from unittest.mock import Mock

import pytest

from chalicelib.effects.perform import Effects
from chalicelib.journey.effects import Effect

ROOT = Path(__file__).parents[2]

#: Statements that a function of app.py may have, its docstring aside.
FEW = 3
#: What makes a function decide something; app.py only hands over.
LOGIC = (ast.If, ast.IfExp, ast.For, ast.While, ast.Try, ast.Match, ast.BoolOp, ast.Compare, ast.comprehension)


@pytest.fixture(scope="module")
def chalice_app():
    return importlib.import_module("app").app


def _functions() -> list[ast.FunctionDef]:
    tree = ast.parse((ROOT / "app.py").read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _statements(function: ast.FunctionDef) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1 - bool(ast.get_docstring(function))


@pytest.fixture(scope="module")
def event_handlers(chalice_app):
    return [*chalice_app.event_sources, *chalice_app.pure_lambda_functions, *chalice_app.builtin_auth_handlers]


def test_every_event_handler_deploys_from_app(event_handlers):
    """A handler on a blueprint deploys as chalicelib.x.f, where app.py is never imported."""
    assert event_handlers, "app.py registers no event handler"
    assert [one.handler_string for one in event_handlers if not one.handler_string.startswith("app.")] == []


def test_every_event_handler_is_what_its_name_in_app_says(chalice_app, event_handlers):
    """Lambda looks a handler up by its string, where a second function of one name would have hidden the first."""
    module = importlib.import_module("app")
    found = {one.name: getattr(module, one.handler_string.rpartition(".")[2], None) for one in event_handlers}
    assert found == {one.name: chalice_app.handler_map[one.name] for one in event_handlers}


def test_no_traceback_is_shown_to_a_visitor(chalice_app):
    assert chalice_app.debug is False


def test_every_function_of_app_hands_over():
    assert {f.name: _statements(f) for f in _functions() if _statements(f) > FEW} == {}
    assert [f.name for f in _functions() if any(isinstance(node, LOGIC) for node in ast.walk(f))] == []


def test_app_imports_in_an_empty_environment_and_builds_no_client():
    """Chalice imports app.py to package it, with no setting and no credentials."""
    program = """
import botocore.client
def refuse(*args, **kwargs):
    raise SystemExit("a client was built while app.py was imported")
botocore.client.ClientCreator.create_client = refuse
import app
print(type(app.app).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Chalice\n", "")


def test_the_sdk_is_loaded_only_when_a_client_is_asked_for():
    """Loading boto3 is most of a cold start."""
    program = "import sys, app; print([name for name in ('boto3', 'botocore') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_effect_has_somebody_who_performs_it():
    hands = Effects(*(Mock() for _ in range(8)))
    assert set(hands.performers) == set(get_args(Effect))
