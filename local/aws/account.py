"""One whole AWS account in memory."""

from typing import Any, Final, Literal, TypeAlias, overload

from local.aws.calls import Client, Clock, Hook, Meter
from local.aws.dynamodb import DynamoDB
from local.aws.events import Events
from local.aws.s3 import S3
from local.aws.scheduler import Scheduler
from local.aws.ses import SES
from local.aws.sqs import SQS
from local.aws.ssm import SSM

Service: TypeAlias = Literal["dynamodb", "sqs", "scheduler", "sesv2", "ssm", "events", "s3"]
DEFAULT_REGION: Final = "eu-central-1"
DEFAULT_ACCOUNT_ID: Final = "123456789012"


class Account(Meter):
    """The clients of one account, which share a clock, counters, hooks and a lock.

    `on_call` runs before each call acts and `after_call` after it acted, both with the service, the operation and the
    arguments; what they raise reaches the caller, so a fault strikes before or after the effect.
    Both may be set later.
    """

    def __init__(
        self,
        clock: Clock,
        on_call: Hook | None = None,
        after_call: Hook | None = None,
        *,
        region: str = DEFAULT_REGION,
        account_id: str = DEFAULT_ACCOUNT_ID,
    ) -> None:
        """Take what returns the present instant (aware, UTC) and the hooks; nothing reads the real time."""
        super().__init__(clock, on_call, after_call)
        self.region = region
        self.dynamodb = DynamoDB(self, f"arn:aws:dynamodb:{region}:{account_id}")
        self.sqs = SQS(self, region, account_id)
        self.scheduler = Scheduler(self, f"arn:aws:scheduler:{region}:{account_id}", self.sqs.deliver)
        self.events = Events(self, region, account_id, self.sqs.deliver)
        self.ses = SES(self, self.events, region, account_id)
        self.s3 = S3(self, region, self.sqs.deliver)
        self.ssm = SSM(self, f"arn:aws:ssm:{region}:{account_id}")

    @overload
    def client(self, service: Literal["dynamodb"], **options: object) -> DynamoDB: ...
    @overload
    def client(self, service: Literal["sqs"], **options: object) -> SQS: ...
    @overload
    def client(self, service: Literal["scheduler"], **options: object) -> Scheduler: ...
    @overload
    def client(self, service: Literal["sesv2"], **options: object) -> SES: ...
    @overload
    def client(self, service: Literal["ssm"], **options: object) -> SSM: ...
    @overload
    def client(self, service: Literal["s3"], **options: object) -> S3: ...
    @overload
    def client(self, service: Literal["events"], **options: object) -> Events: ...
    @overload
    def client(self, service: str, **options: object) -> Any: ...
    def client(self, service: str, **options: object) -> Client:
        """Return the one client of a service; options such as `config` are taken and change nothing."""
        del options
        clients: dict[str, Client] = {
            each.service: each
            for each in (self.dynamodb, self.sqs, self.scheduler, self.events, self.ses, self.s3, self.ssm)
        }
        if service not in clients:
            message = f"no stand-in for {service!r}; there are {sorted(clients)}"
            raise ValueError(message)
        return clients[service]
