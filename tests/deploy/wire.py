"""What a request of AWS's API asks for, read by botocore's models of the services, as AWS reads it by the same ones."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator

#: As a request is signed → as botocore names the service, where the two differ.
_MODELS = {"ses": "sesv2", "monitoring": "cloudwatch"}
_SIGNED = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")
_LABEL = re.compile(r"\\\{(\w+)(\\\+)?\\\}")
#: What the names of operations begin with that change nothing.
_LOOKS = ("Describe", "Get", "List", "Head", "Query", "Scan", "BatchGet", "AssumeRole", "Decode", "Validate")


class NotOfTheModel(Exception):
    """No operation of the service is asked for so, or not with such parameters; the message says what is wrong."""


def named(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return the service and operation of a request; where no model knows it, its method and path."""
    try:
        service, operation, _ = _found(method, url, headers, body)
    except NotOfTheModel:
        return f"{method} {urlsplit(url).path}"
    return f"{service}:{operation.name}"


def looks(name: str) -> bool:
    """Say whether a request of that name changes nothing."""
    return name.partition(":")[2].startswith(_LOOKS) or name.startswith(("GET ", "HEAD "))


def answered(method: str, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Check a request of a REST service that speaks JSON against its model, and answer what the model gives.

    Only operations whose answer has no content are answered: anything else would be made up. Raises NotOfTheModel.
    """
    _, operation, labels = _found(method, url, headers, body)
    if operation.output_shape is not None and operation.output_shape.members:
        raise NotOfTheModel(f"{operation.name} answers something that only the service knows")
    _check(operation, _parameters(operation, labels, urlsplit(url).query, body))
    return b"{}"


def service_of(headers: Mapping[str, str]) -> str:
    """Return the service that a request is signed for; raises NotOfTheModel."""
    signed = _SIGNED.search(headers.get("Authorization") or "")
    if signed is None:
        raise NotOfTheModel("the request is not signed")
    return _MODELS.get(signed["service"], signed["service"])


def _found(
    method: str, url: str, headers: Mapping[str, str], body: bytes
) -> tuple[str, OperationModel, Mapping[str, str]]:
    service = service_of(headers)
    model = _model(service)
    target = headers.get("X-Amz-Target")
    if target:
        return service, model.operation_model(target.rpartition(".")[2]), {}
    action = dict(parse_qsl(body.decode("utf-8", "replace"))).get("Action") if b"Action=" in body else None
    if action:
        return service, model.operation_model(action), {}
    parts = urlsplit(url)
    for operation, pattern, query in _routes(service):
        match = pattern.fullmatch(parts.path)
        if (
            match
            and operation.http["method"] == method
            and query <= set(parse_qsl(parts.query, keep_blank_values=True))
        ):
            return service, operation, {name: unquote(value) for name, value in match.groupdict().items()}
    raise NotOfTheModel(f"{service} has no operation {method} {parts.path}")


@cache
def _model(service: str) -> ServiceModel:
    try:
        return botocore.session.get_session().get_service_model(service)
    except botocore.exceptions.UnknownServiceError as error:
        raise NotOfTheModel(str(error)) from error


@cache
def _routes(service: str) -> list[tuple[OperationModel, re.Pattern[str], set[tuple[str, str]]]]:
    """Return every operation with its path, those with the most literal paths first."""
    model = _model(service)
    operations = sorted(map(model.operation_model, model.operation_names), key=_generality)
    return [(each, *_route(each.http["requestUri"])) for each in operations]


def _generality(operation: OperationModel) -> tuple[int, int]:
    uri = operation.http["requestUri"]
    return uri.count("{"), -len(uri)


def _route(uri: str) -> tuple[re.Pattern[str], set[tuple[str, str]]]:
    path, _, query = uri.partition("?")
    pattern = _LABEL.sub(lambda label: f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})", re.escape(path))
    return re.compile(pattern), set(parse_qsl(query, keep_blank_values=True))


# -- parameters --------------------------------------------------------------------------------------------


def _parameters(operation: OperationModel, labels: Mapping[str, str], query: str, body: bytes) -> dict[str, Any]:
    """Return what an operation is asked with, by the names of its input's members."""
    shape = operation.input_shape
    members = shape.members if shape is not None else {}
    places = {name: each.serialization for name, each in members.items()}
    known = {"uri": labels, "querystring": dict(parse_qsl(query))}
    found = {}
    for name, place in places.items():
        source = known.get(place.get("location", ""), {})
        if place.get("name", name) in source:
            found[name] = source[place.get("name", name)]
    wire = {place.get("name", name): name for name, place in places.items() if "location" not in place}
    for name, value in (json.loads(body) if body else {}).items():
        if name not in wire:
            raise NotOfTheModel(f"{operation.name} knows no {name}")
        found[wire[name]] = value
    return found


def _check(operation: OperationModel, parameters: Mapping[str, Any]) -> None:
    report = ParamValidator().validate(parameters, operation.input_shape)
    faults = [*_faults(operation.input_shape, parameters, operation.name)]
    if report.has_errors() or faults:
        raise NotOfTheModel("\n".join([*faults, report.generate_report()]).strip())


def _faults(shape: Shape, value: Any, where: str) -> Iterator[str]:
    """Yield what botocore leaves to the service to check: words of an enumeration, patterns, greatest lengths."""
    if shape.type_name == "structure":
        for name, each in value.items():
            yield from _faults(shape.members[name], each, f"{where}.{name}")
    elif shape.type_name == "list":
        for each in value:
            yield from _faults(shape.member, each, f"{where}[]")
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield f"{where}: {value!r} is none of {', '.join(shape.enum)}"
        pattern = shape.metadata.get("pattern")
        if pattern and not re.search(pattern, value):
            yield f"{where}: {value!r} does not look like {pattern}"
        if len(value) > shape.metadata.get("max", len(value)):
            yield f"{where}: longer than {shape.metadata['max']}"
