"""What AWS answers when it refuses: one internal exception, turned into botocore's own at the edge of each call."""

from functools import lru_cache
from typing import Any, Final, NoReturn

from botocore.exceptions import ClientError, ParamValidationError

#: Errors whose class in `client.exceptions` is not called as the code in the response (botocore's SQS model).
_CLASS_NAMES: Final = {
    "AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist",
    "AWS.SimpleQueueService.TooManyEntriesInBatchRequest": "TooManyEntriesInBatchRequest",
    "AWS.SimpleQueueService.EmptyBatchRequest": "EmptyBatchRequest",
    "AWS.SimpleQueueService.BatchEntryIdsNotDistinct": "BatchEntryIdsNotDistinct",
    "AWS.SimpleQueueService.BatchRequestTooLong": "BatchRequestTooLong",
    "AWS.SimpleQueueService.MessageNotInflight": "MessageNotInflight",
    "QueueAlreadyExists": "QueueNameExists",
}


class Refused(Exception):
    """A request that AWS would refuse, before the operation's name is known."""

    def __init__(self, code: str, message: str, *, status: int = 400, **members: object) -> None:
        """Take the error code, its message, the HTTP status and the modelled members of the response."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members

    def as_client_error(self, operation: str) -> ClientError:
        """Return the exception that a boto3 client would raise from `operation`."""
        return client_error(operation, self.code, self.message, status=self.status, **self.members)


def client_error(operation: str, code: str, message: str = "", *, status: int = 400, **members: object) -> ClientError:
    """Build botocore's exception, for the clients here and for tests that inject faults.

    `members` become top-level keys of the response, as with `CancellationReasons`.
    """
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0},
        **members,
    }
    return exception_class(_CLASS_NAMES.get(code, code))(response, operation)  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def exception_class(name: str) -> type[ClientError]:
    """Return the subclass that `client.exceptions.<name>` names; one and the same each time."""
    return type(name, (ClientError,), {})


class Exceptions:
    """`client.exceptions`: any attribute is an exception class of that name."""

    def __getattr__(self, name: str) -> type[ClientError]:
        """Return the class for a modelled error, such as `ConditionalCheckFailedException`."""
        return exception_class(name)


def invalid(message: str) -> NoReturn:
    """Refuse with ValidationException."""
    raise Refused("ValidationException", message)


def malformed(report: str) -> NoReturn:
    """Refuse a parameter that botocore itself would not send."""
    raise ParamValidationError(report=report)
