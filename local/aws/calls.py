"""What every call of every client goes through: parameter names, counting, hooks, one lock, metadata."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, KeysView, Mapping
from datetime import datetime
from functools import wraps
from threading import RLock
from typing import Any, ClassVar, Final, NoReturn, ParamSpec, TypeAlias, cast

from local.aws.errors import Exceptions, Refused, malformed

P = ParamSpec("P")
Response: TypeAlias = dict[str, Any]
#: Called with the service, the operation in AWS's spelling, and the keyword arguments; may raise.
Hook: TypeAlias = Callable[[str, str, dict[str, Any]], None]
#: Returns the present instant, aware, in UTC.
Clock: TypeAlias = Callable[[], datetime]

#: Operation → (parameter that takes the token, member that gives it).
_TOKENS: Final = {
    "query": ("ExclusiveStartKey", "LastEvaluatedKey"),
    "scan": ("ExclusiveStartKey", "LastEvaluatedKey"),
    "list_objects_v2": ("ContinuationToken", "NextContinuationToken"),
}
_DEFAULT_TOKEN: Final = ("NextToken", "NextToken")


class Meter:
    """What the clients of one account share: the clock, the counters, the hooks and the lock."""

    def __init__(self, clock: Clock, on_call: Hook | None = None, after_call: Hook | None = None) -> None:
        """Take the clock and the hooks; a hook runs outside the lock, so it may call any client itself."""
        self.clock = clock
        self.on_call = on_call
        self.after_call = after_call
        #: Calls by "service.Operation", refused ones included.
        self.calls: Counter[str] = Counter()
        #: DynamoDB capacity units by "dynamodb.read", "dynamodb.write" and "dynamodb.write.<table>/<index>".
        self.units: defaultdict[str, float] = defaultdict(float)
        self.lock = RLock()


class Client:
    """The base of every stand-in."""

    service: ClassVar[str]
    exceptions: ClassVar = Exceptions()

    def __init__(self, meter: Meter) -> None:
        """Share the account's meter."""
        self.meter = meter

    def get_paginator(self, operation_name: str) -> "Paginator":
        """Return a paginator over `operation_name`, such as "query"."""
        return Paginator(getattr(self, operation_name), *_TOKENS.get(operation_name, _DEFAULT_TOKEN))


class Paginator:
    """Calls an operation until it gives no further token."""

    def __init__(self, method: Callable[..., Response], token_in: str, token_out: str) -> None:
        """Take the bound method and the names of its token as parameter and as member."""
        self._method = method
        self._token_in = token_in
        self._token_out = token_out

    def paginate(self, **params: object) -> Iterator[Response]:
        """Yield each page."""
        while True:
            page = self._method(**params)
            yield page
            if not page.get(self._token_out):
                return
            params[self._token_in] = page[self._token_out]


def operation(shape: type) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """Make a method an AWS operation whose keyword arguments are the keys of the TypedDict `shape`."""
    required: frozenset[str] = shape.__required_keys__  # type: ignore[attr-defined]
    allowed: frozenset[str] = required | shape.__optional_keys__  # type: ignore[attr-defined]

    def decorate(method: Callable[P, Response]) -> Callable[P, Response]:
        name = camel_case(method.__name__)

        @wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> Response:
            given = kwargs.keys()
            if not required <= given <= allowed:
                _refuse_names(name, given, required, allowed)
            client = cast("Client", args[0])
            meter = client.meter
            meter.calls[f"{client.service}.{name}"] += 1
            if meter.on_call is not None:
                meter.on_call(client.service, name, kwargs)
            try:
                with meter.lock:
                    response = method(*args, **kwargs)
            except Refused as refusal:
                raise refusal.as_client_error(name) from None
            response["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
            if meter.after_call is not None:
                meter.after_call(client.service, name, kwargs)
            return response

        return call

    return decorate


def check_names(name: str, params: Mapping[str, object], shape: type) -> None:
    """Refuse missing and unknown parameters, as botocore does before it sends anything."""
    required: frozenset[str] = shape.__required_keys__  # type: ignore[attr-defined]
    allowed: frozenset[str] = required | shape.__optional_keys__  # type: ignore[attr-defined]
    if not required <= params.keys() <= allowed:
        _refuse_names(name, params.keys(), required, allowed)


def _refuse_names(name: str, given: KeysView[str], required: frozenset[str], allowed: frozenset[str]) -> NoReturn:
    if required - given:
        malformed(f"{name}: missing required parameter in input: {sorted(required - given)}")
    malformed(f"{name}: unknown parameter in input: {sorted(given - allowed)}")


def camel_case(method: str) -> str:
    """Return AWS's spelling of a boto3 method: put_item → PutItem."""
    return re.sub(r"(?:^|_)([a-z])", lambda found: found[1].upper(), method)
