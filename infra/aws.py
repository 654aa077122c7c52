"""The account that a command works on."""

import os
from functools import cache
from typing import Any

import boto3

from infra.failures import BadUsage


class NoRegion(BadUsage):
    """Neither the environment nor the profile names a Region."""


class Aws:
    """Clients of one account and Region, each made on first use."""

    def __init__(self, session: Any | None = None) -> None:
        """Take a session of boto3, else that of the environment; raises NoRegion."""
        # Lambda, the AWS CLI and most SDKs go by AWS_REGION first; boto3 alone does not know it.
        self._session = session or boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
        if not self._session.region_name:
            raise NoRegion("no Region: set AWS_REGION or AWS_DEFAULT_REGION, or name one in the profile")
        self.region: str = self._session.region_name
        self.client = cache(self._client)

    def _client(self, service: str) -> Any:
        return self._session.client(service)

    @property
    def account(self) -> str:
        """The number of the account; asks AWS."""
        return str(self.client("sts").get_caller_identity()["Account"])
