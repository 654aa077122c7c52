"""The staff API does what its description says, whatever is asked: each operation is asked by a program that reads it.

Most of what it asks is allowed by the description, the rest is not. No answer is a fault of ours, none has a status or
a form that the description does not name.
"""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chalicelib import wiring
from chalicelib.store.access import ApiKey, hashed
from local.stack import Stack

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_KEY = "aftercare.0123456789abcdef.made-up-for-this-test"
_CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


def _stack():
    """A deployment with a case that went badly, and a key that may do everything."""
    stack = Stack(NOW)
    key = ApiKey("0123456789abcdef", "all", "admin", "test", NOW, hashed(_KEY.rpartition(".")[2]))
    stack.wiring.access.keep_key(key)
    remark = {"source": "counter", "remark_id": "1", "words": "An hour in the queue!", "occurred_at": NOW.isoformat()}
    customer = {"customer_id": "c-1", "email": "ada@example.com", "first_name": "Ada", "last_name": "Byron"}
    assert stack.tell("/failures", "failure.logged", {**remark, "customer": customer}).status == 200
    stack.settle()
    return stack


STACK = _stack()


def _application(environ, start_response):
    """The stack as a WSGI application, which is what the program asks."""
    # A server decodes the path, API Gateway does not: the product sees what was sent.
    path, query = quote(environ["PATH_INFO"].encode("latin-1")), environ["QUERY_STRING"]
    headers = {name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name[:5] == "HTTP_"}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    reply = STACK.request(environ["REQUEST_METHOD"], f"{path}?{query}" if query else path, headers, body)
    start_response(f"{reply.status} status", [(name, str(value)) for name, value in reply.headers.items()])
    return [reply.body]


schema = schemathesis.openapi.from_wsgi("/openapi.json", _application)


@pytest.fixture(autouse=True)
def installed():
    wiring.install(STACK.wiring)


@pytest.mark.slow
@schema.include(path_regex="^/v1/").parametrize()
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_each_operation_answers_as_it_is_described(case):
    case.call_and_validate(headers={"Authorization": f"Bearer {_KEY}"}, checks=list(_CHECKS))
