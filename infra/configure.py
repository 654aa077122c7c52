"""``python -m infra configure``: fetch what a bare ``chalice`` command needs of a stage that stands."""

import argparse

from infra import deploy
from infra.aws import Aws

add_arguments = deploy.add_arguments


def run(args: argparse.Namespace) -> int:
    """Write the configuration and the state; returns the exit code."""
    deploy.Deployer(deploy.plan(args), Aws()).configure()
    return 0
