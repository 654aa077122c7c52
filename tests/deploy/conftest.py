"""An account of its own for each file of deployment tests, once open and once with IAM enforced."""

from pathlib import Path

import boto3
import pytest

from infra.interpreter import interpreter
from tests.deploy.emulator import emulated

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def python():
    return interpreter(ROOT)


@pytest.fixture(scope="module", params=[False, True], ids=["open", "with IAM enforced"])
def aws(request, python, tmp_path_factory):
    with (
        emulated(python, tmp_path_factory.mktemp("aws"), enforce=request.param) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in emulator.credentials().items():
            patch.setenv(name, value)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        boto3.setup_default_session()
        boto3.client("sesv2").create_email_identity(EmailIdentity="example.com")
        yield emulator
    boto3.setup_default_session()
