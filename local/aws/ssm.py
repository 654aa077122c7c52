"""The SSM client: parameters by name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Unpack

from local.aws import shapes
from local.aws.calls import Client, Meter, Response, operation
from local.aws.errors import Refused, invalid
from local.aws.values import text_bytes

MAX_NAMES: Final = 10
MAX_STANDARD_BYTES: Final = 4096
_TYPES: Final = frozenset({"String", "StringList", "SecureString"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter at its latest version."""

    name: str
    value: str
    kind: str
    version: int
    modified: datetime


class SSM(Client):
    """Parameters in memory."""

    service: ClassVar[str] = "ssm"

    def __init__(self, meter: Meter, arn_prefix: str) -> None:
        """Take the meter and what ARNs begin with."""
        super().__init__(meter)
        self._arn_prefix = arn_prefix
        self._parameters: dict[str, Parameter] = {}

    @operation(shapes.PutParameter)
    def put_parameter(self, **params: Unpack[shapes.PutParameter]) -> Response:
        """Write a parameter; a known one only with Overwrite."""
        known = self._parameters.get(params["Name"])
        if known is not None and not params.get("Overwrite"):
            raise Refused(
                "ParameterAlreadyExists",
                "The parameter already exists. To overwrite this value, set the overwrite option.",
            )
        kind = params.get("Type", known.kind if known else "")
        _check(kind, params["Value"])
        version = known.version + 1 if known else 1
        self._parameters[params["Name"]] = Parameter(params["Name"], params["Value"], kind, version, self.meter.clock())
        return {"Version": version, "Tier": "Standard"}

    @operation(shapes.GetParameter)
    def get_parameter(self, **params: Unpack[shapes.GetParameter]) -> Response:
        """Read one parameter."""
        known = self._parameters.get(params["Name"])
        if known is None:
            raise Refused("ParameterNotFound", f"Parameter {params['Name']} not found.")
        return {"Parameter": self._shown(known, decrypt=params.get("WithDecryption", False))}

    @operation(shapes.GetParameters)
    def get_parameters(self, **params: Unpack[shapes.GetParameters]) -> Response:
        """Read up to 10 parameters; the unknown are named in InvalidParameters."""
        names = params["Names"]
        if not 0 < len(names) <= MAX_NAMES:
            invalid(
                f"1 validation error detected: Value '{list(names)}' at 'names' failed to satisfy constraint: 1 to "
                f"{MAX_NAMES} members"
            )
        if len(set(names)) != len(names):
            invalid("Duplicate parameter names are not allowed")
        found = [self._parameters[name] for name in names if name in self._parameters]
        return {
            "Parameters": [self._shown(each, decrypt=params.get("WithDecryption", False)) for each in found],
            "InvalidParameters": [name for name in names if name not in self._parameters],
        }

    def _shown(self, parameter: Parameter, *, decrypt: bool) -> dict[str, Any]:
        """Return a parameter as SSM does: a secret stays enciphered unless it is asked for."""
        secret = parameter.kind == "SecureString" and not decrypt
        return {
            "Name": parameter.name,
            "Type": parameter.kind,
            "Value": f"kms:alias/aws/ssm:{parameter.value[::-1].encode().hex()}" if secret else parameter.value,
            "Version": parameter.version,
            "LastModifiedDate": parameter.modified,
            "ARN": f"{self._arn_prefix}:parameter/{parameter.name.removeprefix('/')}",
            "DataType": "text",
        }


def _check(kind: str, value: str) -> None:
    if not kind:
        invalid("A parameter type is required when you create a parameter.")
    if kind not in _TYPES:
        invalid(f"Value '{kind}' at 'type' failed to satisfy constraint: [SecureString, StringList, String]")
    if not value or text_bytes(value) > MAX_STANDARD_BYTES:
        invalid(
            f"Standard tier parameters support a maximum parameter value of {MAX_STANDARD_BYTES} characters, and at "
            "least one."
        )
