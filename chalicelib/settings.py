"""What differs between deployments. Frozen, and the only reader of the environment."""

import os
from collections.abc import Mapping

import msgspec


class MissingSetting(Exception):
    """A setting that this function needs is not in its environment; the message names it."""


class Settings(msgspec.Struct, frozen=True):
    """Names and addresses of one stage. `from_env` reads them; no other module knows where they come from.

    ``inbound_domain`` is the domain at which the stage takes replies itself; empty where it takes none.
    ``mail_only_to`` names the addresses and domains that this stage may write to, or ``*`` in production.
    """

    stage: str
    table: str
    inbox_queue_url: str
    work_queue_url: str
    alarms_queue_arn: str
    schedule_group: str
    scheduler_role_arn: str
    configuration_set: str
    mail_bucket: str
    secrets_prefix: str
    base_url: str
    mail_from: str
    reply_to: str
    mail_only_to: str
    inbound_domain: str = ""

    @property
    def region(self) -> str:
        """Return the Region of this stage, as its queues have it."""
        return self.alarms_queue_arn.split(":")[3]

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read every setting; raises MissingSetting, naming all that are absent."""
        names = cls.__struct_fields__
        needed = names[: len(names) - len(cls.__struct_defaults__)]
        missing = [name.upper() for name in needed if not env.get(name.upper())]
        if missing:
            message = f"missing in the environment: {', '.join(missing)}"
            raise MissingSetting(message)
        return cls(**{name: env.get(name.upper(), "") for name in names})


def from_environment() -> Settings:
    """Read the settings of this process; raises MissingSetting."""
    return Settings.from_env(os.environ)


def queue_name(queue: str) -> str:
    """Return the name of a queue of this stage.

    Chalice wants the names of queues while it loads ``app.py``, before any setting may be needed: without a stage in
    the environment, as when it packages, the stage is ``dev``.
    """
    return f"aftercare-{os.environ.get('STAGE', 'dev')}-{queue}"
