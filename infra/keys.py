"""Makes the secrets of a stage, once. Nothing here ever prints one.

The functions read them from the parameter store at run time (chalicelib/wiring.py), so no secret stands in a
configuration, a template or a function's environment.
"""

import argparse
import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final

from infra import options
from infra.aws import Aws
from infra.failures import BadUsage
from infra.package import secrets_prefix

#: Bytes: as long as the digest of the HMAC-SHA256 that they key (RFC 2104, section 3).
_LENGTH: Final = 32


def _link_keys() -> dict[str, str]:
    """Key id → key. A second one is added beside the first, which still opens the links of old mails."""
    return {"k1": _key()}


def _webhook_keys() -> list[str]:
    """Keys with which messages may be signed now, in the form of Standard Webhooks."""
    return [f"whsec_{_key()}"]


def _key() -> str:
    return b64encode(secrets.token_bytes(_LENGTH)).decode()


_MAKERS: Final[dict[str, Callable[[], Any]]] = {"link-keys": _link_keys, "webhook-keys": _webhook_keys}


#: How the company signs in, with a secret of its provider: people put it there, the functions read it.
_BY_HAND: Final = "sign-in-provider"


def ensure(ssm: Any, prefix: str) -> list[str]:
    """Make the secrets that are absent and return their names; those that are there are neither read nor replaced."""
    return [name for name in names(prefix) if _make(ssm, name)]


def rotate(ssm: Any, prefix: str) -> str:
    """Take the next step of replacing the key of links; returns what holds now. No link that is out breaks by it.

    First a successor is made beside the key that signs, which every function has to know before anything is signed with
    it; then it signs, and the old key opens the links of old mails until the next rotation. Raises BadUsage where no
    key is.
    """
    name = f"{prefix}/link-keys"
    found = ssm.get_parameters(Names=[name], WithDecryption=True)["Parameters"]
    if not found:
        raise BadUsage(f"there is no secret {name} to be replaced")
    held = _rotated(json.loads(found[0]["Value"]))
    ssm.put_parameter(Name=name, Value=json.dumps(held), Type="SecureString", Overwrite=True)
    signs, opens = held
    return f"{signs} signs links, {opens} opens them too"


def version(ssm: Any, prefix: str) -> str:
    """Return how often the keys of links have changed; nothing where there are none."""
    found = ssm.get_parameters(Names=[f"{prefix}/link-keys"])["Parameters"]
    return str(found[0]["Version"]) if found else ""


def _rotated(held: Mapping[str, str]) -> dict[str, str]:
    """Return two keys, the signing one first: those held in the other order, or a successor behind the signing one."""
    signing, *other = held
    if other and _number(other[0]) > _number(signing):
        return {other[0]: held[other[0]], signing: held[signing]}
    return {signing: held[signing], f"k{_number(signing) + 1}": _key()}


def _number(key_id: str) -> int:
    return int(key_id.removeprefix("k"))


def names(prefix: str) -> list[str]:
    """Return the names of the secrets that a stage cannot be without."""
    return [f"{prefix}/{name}" for name in _MAKERS]


def delete(ssm: Any, prefix: str) -> None:
    """Delete them, and what people put beside them: no link in any mail opens any more."""
    ssm.delete_parameters(Names=[*names(prefix), f"{prefix}/{_BY_HAND}"])


def _make(ssm: Any, name: str) -> bool:
    """Put one; without Overwrite the store itself refuses to replace what is there, whoever was first."""
    value = json.dumps(_MAKERS[name.rpartition("/")[2]]())
    try:
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=False)
    except ssm.exceptions.ParameterAlreadyExists:
        return False
    return True


# -- the command -----------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``python -m infra secrets``."""
    options.add_stage(parser)
    parser.add_argument(
        "--rotate-links", action="store_true", help="take the next of the two steps of replacing the key of links"
    )


def run(args: argparse.Namespace) -> int:
    """Make the secrets of a stage that are absent, or replace one, and say which; returns the exit code."""
    ssm, prefix = Aws().client("ssm"), secrets_prefix(args.stage)
    if args.rotate_links:
        print(rotate(ssm, prefix))
        return 0
    made = ensure(ssm, prefix)
    print(f"made: {', '.join(made)}" if made else "kept")
    return 0
