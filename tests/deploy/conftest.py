"""An account of its own for each file of deployment tests, and for some one with IAM enforced."""

from pathlib import Path

import boto3
import pytest

from infra.interpreter import interpreter
from tests.deploy.emulator import emulated
from tests.deploy.stage import checkout

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def python():
    return interpreter(ROOT)


@pytest.fixture(scope="module")
def aws(python, request, tmp_path_factory):
    """Return an empty account; in a file that says ENFORCED, nobody may do there what no policy allows."""
    folder = tmp_path_factory.mktemp("aws")
    enforce = getattr(request.module, "ENFORCED", False)
    with emulated(python, folder, enforce=enforce) as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.credentials().items():
            patch.setenv(name, value)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        boto3.setup_default_session()
        yield emulator
    boto3.setup_default_session()


@pytest.fixture(scope="module")
def project(python, aws, tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("project"), aws, python.python.parent.parent)
