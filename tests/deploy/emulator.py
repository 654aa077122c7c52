"""AWS on this machine for the deployment tests: MiniStack, and what stands in for what it lacks.

MiniStack runs the functions' zips in processes of its own Python, so it runs on the Python of the runtime, in an
environment of its own (requirements.txt beside this). Nothing of it is known to the product.

What it lacks, and what is done about it, in full:

- It imports no API: ImportRestApi makes an empty one, PutRestApi is unknown. The bridge makes the resources, methods
  and integrations of Chalice's document one by one, and of a second document those that are new.
- With IAM enforced, it asks for ssm:GetParameters on "*", where AWS asks for each parameter. `loosened` grants that for
  as long as the stage stands, to no function that may not read a secret anyway.
- It asks for ses:SendEmail on "*" too, and takes every schedule for one of the group "default". `loosened` grants both
  to those who may send mail and set alarms.
- It speaks plain HTTP, which the queues' own policies rightly refuse. The bridge takes the condition out of their way.
- It ends what a function is doing when the function is updated, where AWS lets it finish. The message comes again once
  it is visible again, which is six minutes by infra/template.yaml; in the checkouts of the tests (stage.py) it is
  `VISIBILITY` seconds.
- Two operations of SES it does not know (`BY_MODEL`). The bridge checks a request of them against botocore's model of
  the service (wire.py) and answers as the model has it: nothing.

And one thing is done for the sake of time alone: botocore looks at a function every five seconds until its update is
done. The emulator takes half a second, so the bridge holds that question until the answer is final.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3

from infra.interpreter import Interpreter, alone_with
from tests.deploy import wire

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ACCOUNT = "000000000000"  # MiniStack's
REGION = "eu-central-1"
#: Seconds until MiniStack answers; it takes two where nothing else runs.
_PATIENCE = 180
#: The condition of the queues' policies, as it stands in a request to CloudFormation, and one that never holds.
_TLS_ONLY = quote_plus('aws:SecureTransport: "false"').encode()
_TLS_NEVER_MIND = quote_plus('aws:SecureTransport: "no word"').encode()
#: Action → the resource for which the emulator asks, whatever the call names.
_MISJUDGED = {
    "ssm:GetParameters": "*",
    "ses:SendEmail": "*",
    **dict.fromkeys(
        ["scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"],
        "arn:aws:scheduler:*:*:schedule/default/*",
    ),
}
#: What the emulator does not know and the model alone answers. docs/operations.md says so where it uses them.
BY_MODEL = frozenset({"sesv2:PutEmailIdentityMailFromAttributes", "sesv2:PutAccountDetails"})
#: Seconds after which a function that is still being updated is shown as it is.
_LONGEST_UPDATE = 4
_FUNCTION = re.compile(r"/2015-03-31/functions/[^/]+(/configuration)?")
_JSON = [("Content-Type", "application/json")]
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Emulator:
    """A running one."""

    #: MiniStack itself: the functions talk to it.
    direct: str
    #: The bridge before it: who deploys talks to it.
    endpoint: str
    log: Path
    #: Whether IAM policies are enforced.
    enforce: bool
    #: Where the AWS CLI is.
    programs: Path
    #: What was asked for through the bridge, as service:Operation, the oldest first.
    asked: list[str] = field(repr=False)

    def surroundings(self, home: Path) -> dict[str, str]:
        """Return the whole environment of a command of who deploys, the AWS CLI at hand."""
        return {
            **self.credentials(),
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def credentials(self) -> dict[str, str]:
        """Return what of it says which account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def environment(python: Interpreter) -> Path:
    """Return the Python of an environment that has MiniStack and the AWS CLI, made on first use."""
    place = ROOT / "build" / f"ministack-python{python.version}"
    made, stamp = place / "bin" / "python", place / "made-for"
    wanted = REQUIREMENTS.read_text("utf-8")
    with alone_with(place):
        if stamp.is_file() and stamp.read_text("utf-8") == wanted:
            return made
        subprocess.run([python.python, "-m", "venv", "--clear", place], check=True)
        pip = [made, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--no-deps", "--requirement", REQUIREMENTS], check=True)
        subprocess.run([*pip, "check"], check=True)
        stamp.write_text(wanted, "utf-8")
    return made


@contextmanager
def emulated(python: Interpreter, folder: Path, *, enforce: bool = False) -> Iterator[Emulator]:
    """Run the body with an empty account; ``enforce`` has it check IAM policies."""
    port = _free_port()
    direct = f"http://127.0.0.1:{port}"
    scratch = folder / "tmp"
    scratch.mkdir(parents=True)
    surroundings = {
        "HOME": str(folder),
        "TMPDIR": str(scratch),
        "PATH": os.defpath,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # else it makes a certificate authority
        "MINISTACK_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AUTH": str(enforce).lower(),
    }
    log = folder / "ministack.log"
    program = environment(python)
    # However this process ends, the pipe ends with it, and then everything that was started here.
    command = ["/bin/sh", "-c", '"$0" -m ministack & cat >/dev/null; kill -KILL 0', program]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=surroundings,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait_for(f"{direct}/_ministack/health")
        asked: list[str] = []
        with _bridged(direct, asked) as endpoint:
            yield Emulator(direct, endpoint, log, enforce, program.parent, asked)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its workers are of its group
        process.communicate()
        shutil.rmtree(scratch, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url: str) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"MiniStack does not answer at {url}")


@contextmanager
def _bridged(direct: str, asked: list[str]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _bridge(direct, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def loosened(roles: list[str]) -> Iterator[None]:
    """Allow, while the body runs, what the emulator refuses and AWS does not: see the list above."""
    iam, given = boto3.client("iam"), []
    for role in roles:
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        allowed = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
        granted = {action for each in allowed for action in each["Action"]}
        more = [
            {"Effect": "Allow", "Action": action, "Resource": resource}
            for action, resource in _MISJUDGED.items()
            if action in granted
        ]
        if more:
            document = json.dumps({"Version": "2012-10-17", "Statement": more})
            iam.put_role_policy(RoleName=role, PolicyName="emulator", PolicyDocument=document)
            given.append(role)
    yield
    for role in given:
        iam.delete_role_policy(RoleName=role, PolicyName="emulator")


def _gateway(direct: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    return boto3.session.Session().client("apigateway", endpoint_url=direct, **keys)


def _imported(direct: str, body: bytes) -> bytes:
    """Make an API of Chalice's document and return it as ImportRestApi does."""
    gateway, document = _gateway(direct), json.loads(body)
    made = gateway.create_rest_api(name=document["info"]["title"], endpointConfiguration={"types": ["EDGE"]})
    _add_routes(gateway, made["id"], document)
    return json.dumps({name: made[name] for name in ("id", "name", "endpointConfiguration")}).encode()


def _add_routes(gateway: Any, api: str, document: dict[str, Any]) -> None:
    """Make what the document has and the API has not."""
    found = {each["path"]: each for each in gateway.get_resources(restApiId=api, limit=500, embed=["methods"])["items"]}
    for path, methods in document["paths"].items():
        parent = "/"
        for part in path.strip("/").split("/"):
            here = f"{parent.rstrip('/')}/{part}"
            if here not in found:
                place = {"restApiId": api, "parentId": found[parent]["id"], "pathPart": part}
                found[here] = gateway.create_resource(**place)
            parent = here
        for name, method in methods.items():
            if name.upper() in found[path].get("resourceMethods", {}):
                continue
            place = {"restApiId": api, "resourceId": found[path]["id"], "httpMethod": name.upper()}
            gateway.put_method(**place, authorizationType="NONE")
            uri = method["x-amazon-apigateway-integration"]["uri"]
            gateway.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)


def _is_changing(answer: bytes) -> bool:
    """Say whether a function that is shown is still on its way to what it was told to be."""
    told = json.loads(answer)
    shown = told.get("Configuration", told)
    return shown.get("State") == "Pending" or shown.get("LastUpdateStatus") == "InProgress"


def _bridge(direct: str, asked: list[str]) -> type[BaseHTTPRequestHandler]:
    """Return a handler that writes down what is asked for and passes it on, but for what MiniStack lacks."""

    class Bridge(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            method = self.command
            operation = wire.named(method, self.path, self.headers, body)
            asked.append(operation)
            if operation in BY_MODEL:
                self._by_model(body)
                return
            body = body.replace(_TLS_ONLY, _TLS_NEVER_MIND)
            path, _, query = self.path.partition("?")
            if path == "/restapis" and "mode=import" in query:
                self._answer(201, _JSON, _imported(direct, body))
                return
            if method == "PUT" and path.removeprefix("/restapis/").isalnum():
                _add_routes(_gateway(direct), path.removeprefix("/restapis/"), json.loads(body))
                method, body = "GET", b""
            until = time.monotonic() + _LONGEST_UPDATE
            status, headers, answer = self._fetched(method, body)
            if status == HTTPStatus.OK and method == "GET" and _FUNCTION.fullmatch(path):
                while _is_changing(answer) and time.monotonic() < until:
                    time.sleep(0.1)
                    status, headers, answer = self._fetched(method, body)
            self._answer(status, headers, answer)

        def _fetched(self, method, body):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            request = urllib.request.Request(direct + self.path, body or None, headers, method=method)  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - loopback
                    return answer.status, answer.headers.items(), answer.read()
            except urllib.error.HTTPError as answer:
                return answer.code, answer.headers.items(), answer.read()

        def _by_model(self, body) -> None:
            try:
                self._answer(200, _JSON, wire.answered(self.command, self.path, self.headers, body))
            except wire.NotOfTheModel as error:
                refusal = json.dumps({"__type": "BadRequestException", "message": str(error)}).encode()
                self._answer(400, _JSON, refusal)

        def _answer(self, status, headers, body) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args) -> None:
            """Say nothing."""

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - as http.server calls them

    return Bridge
