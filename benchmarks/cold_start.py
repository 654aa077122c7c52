"""How long a cold Lambda takes to answer its first survey page, against a Chalice application that does nothing.

Each run is a fresh interpreter: it imports the application, builds the real AWS clients that a page needs, and answers
one GET in the form of API Gateway. Only what these clients would ask over the network is answered from memory. The bare
application has one route, which returns a constant page, and builds the same clients: with boto3, as everybody does, or
(lean) with botocore alone, as Aftercare does. They take turns, so that whatever else the machine does hits all of them.
The time to start Python itself is the same for all and is left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
GOAL: Final = 1.3
KINDS: Final = ("bare", "lean", "aftercare")
FIGURES: Final = ("median", "min")
#: What a page needs: the table, the queue that wakes the worker, the keys of links.
CLIENTS: Final = ("dynamodb", "sqs", "ssm")
#: The first runs of each write byte code and warm the page cache.
WARM_UP: Final = 2
_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


# -- inside one fresh interpreter ------------------------------------------------------------------------------


def bare(*, lean: bool = False) -> tuple[float, int]:
    """Answer with a Chalice application that does nothing; returns the seconds and the length of the page."""
    began = perf_counter()
    if lean:
        from botocore.session import get_session

        make = get_session().create_client
    else:
        import boto3

        make = boto3.client
    from botocore.config import Config
    from chalice import Chalice, Response

    app = Chalice("bare")

    @app.route("/a/{token}", methods=["GET"])
    def page(token: str) -> Response:
        del token
        return Response("<!doctype html><title>A page</title>", headers={"Content-Type": "text/html; charset=utf-8"})

    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    clients = [make(name, config=config) for name in CLIENTS]
    reply = app(_request("any"), None)
    taken = perf_counter() - began
    assert len(clients) == len(CLIENTS)  # noqa: S101 - they must live until here
    return taken, _length(reply)


def aftercare(stage: dict[str, Any]) -> tuple[float, int]:
    """Answer a survey page with the application itself; returns the seconds and the length of the page."""
    began = perf_counter()
    import app
    from chalicelib import wiring

    offline = _Offline(stage)
    wiring.install(wiring.Wiring(client=lambda name: offline.client(name, wiring.aws_client(name))))
    reply = app.app(_request(stage["token"]), None)
    for name in set(CLIENTS) - offline.built:
        wiring.aws_client(name)
    taken = perf_counter() - began
    return taken, _length(reply)


class _Offline:
    """The real clients, but that nothing goes over the network."""

    def __init__(self, stage: dict[str, Any]) -> None:
        self._items = {(item["pk"]["S"], item["sk"]["S"]): item for item in stage["items"]}
        self._parameters = stage["parameters"]
        self.built: set[str] = set()

    def client(self, name: str, real: Any) -> Any:
        self.built.add(name)
        real.get_item = self._get_item
        real.get_parameters = self._get_parameters
        return real

    def _get_item(self, **request: Any) -> dict[str, Any]:
        item = self._items.get((request["Key"]["pk"]["S"], request["Key"]["sk"]["S"]))
        return {"Item": {name: _with_bytes(value) for name, value in item.items()}} if item else {}

    def _get_parameters(self, **request: Any) -> dict[str, Any]:
        return {"Parameters": [{"Name": name, "Value": self._parameters[name]} for name in request["Names"]]}


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    return {"B": bytes.fromhex(value["B"])} if "B" in value else value


def _request(token: str) -> dict[str, Any]:
    """Return what API Gateway would hand to the function."""
    return {
        "resource": "/a/{token}",
        "path": f"/a/{token}",
        "httpMethod": "GET",
        "headers": {"host": "localhost"},
        "multiValueHeaders": {"host": ["localhost"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"token": token},
        "stageVariables": None,
        "requestContext": {"httpMethod": "GET", "resourcePath": "/a/{token}", "requestId": "0", "stage": "api"},
        "body": None,
        "isBase64Encoded": False,
    }


def _length(reply: dict[str, Any]) -> int:
    if reply["statusCode"] != 200:  # noqa: PLR2004
        sys.exit(f"not the page: {reply}")
    return len(reply["body"].encode())


# -- outside ---------------------------------------------------------------------------------------------------


def made_stage() -> dict[str, Any]:
    """Return what the clients of one deployment would answer: a journey whose survey is out, and its link."""
    from datetime import UTC, datetime, timedelta

    from local.stack import SECRETS_PREFIX, Stack

    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    stack = Stack(start)
    customer = {"customer_id": "c-1", "email": "ada@example.com", "first_name": "Ada", "time_zone": "Europe/Berlin"}
    case = {"source": "helpdesk", "case_id": "1", "resolved_at": start.isoformat(), "customer": customer}
    journey_id = stack.tell("/cases", "case.resolved", case).json()["journey_id"]
    stack.run_until(start + timedelta(days=3))
    from chalicelib.links import Link

    names = [f"{SECRETS_PREFIX}/{name}" for name in ("link-keys", "webhook-keys")]
    found = stack.account.client("ssm").get_parameters(Names=names, WithDecryption=True)["Parameters"]
    items = stack.account.client("dynamodb").scan(TableName=stack.environment["TABLE"])["Items"]
    return {
        "token": stack.wiring.links.token(Link("answer", journey_id, "survey")),
        "environment": stack.environment,
        "parameters": {one["Name"]: one["Value"] for one in found},
        "items": [{name: _as_text(value) for name, value in item.items()} for item in items],
    }


def _as_text(value: dict[str, Any]) -> dict[str, Any]:
    return {"B": bytes(value["B"]).hex()} if "B" in value else value


def measured(runs: int) -> dict[str, Any]:
    """Run both in turn and return milliseconds."""
    stage = made_stage()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(stage, file)
        file.flush()
        environment = {**_ENVIRONMENT, **stage["environment"], "PATH": os.environ.get("PATH", "")}
        taken: dict[str, list[float]] = {which: [] for which in KINDS}
        for run in range(-WARM_UP, runs):
            for which, times in taken.items():
                seconds = _one(which, file.name, environment)
                if run >= 0:
                    times.append(seconds * 1000)
    found: dict[str, Any] = {
        which: {"median_ms": round(median(times), 1), "min_ms": round(min(times), 1)} for which, times in taken.items()
    }
    for which in ("bare", "lean"):
        ratios = {figure: found["aftercare"][f"{figure}_ms"] / found[which][f"{figure}_ms"] for figure in FIGURES}
        found[f"ratio_to_{which}"] = {figure: round(ratio, 3) for figure, ratio in ratios.items()}
    return {"runs": runs, "goal": GOAL, **found}


def _one(which: str, stage: str, environment: dict[str, str]) -> float:
    command = [sys.executable, str(Path(__file__).resolve()), "--inside", which, "--stage", stage]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--runs", type=int, default=20, help="how many fresh interpreters of each (default 20)")
    parser.add_argument("--inside", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if options.inside:
        stage = json.loads(Path(options.stage).read_text("utf-8"))
        seconds, _ = aftercare(stage) if options.inside == "aftercare" else bare(lean=options.inside == "lean")
        print(seconds)
        return
    found = measured(options.runs)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for which in KINDS:
        print(f"{which:<14} median {found[which]['median_ms']:7.1f} ms   min {found[which]['min_ms']:7.1f} ms")
    for which in ("bare", "lean"):
        ratio = found[f"ratio_to_{which}"]
        goal = f"      goal {GOAL}" if which == "bare" else ""
        print(f"ratio to {which:<5} median {ratio['median']:7.2f}      min {ratio['min']:7.2f}   {goal}".rstrip())


if __name__ == "__main__":
    main()
