"""``python -m infra diff``: what a deployment would change."""

import argparse

from infra import deploy
from infra.aws import Aws

add_arguments = deploy.add_arguments


def run(args: argparse.Namespace) -> int:
    """Print the differences; returns 0 with and without any."""
    found = deploy.Deployer(deploy.plan(args), Aws()).differences()
    print("\n".join(found or ["nothing: the stage is as the code says"]))
    return 0
