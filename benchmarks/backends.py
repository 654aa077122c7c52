"""How long one turn of the store takes on each emulated DynamoDB, by how many items the table holds already.

A turn is what the pipeline does for one event: get 2 items, write 4 in one transaction under conditions on their
versions, and query
a sparse index for what is due. The backends: the project's own stand-ins, moto in this process, and MiniStack as a
server on this
machine. This is how the backend of the demo, the replay and the tests was chosen.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

STORED: Final = (0, 1_000, 4_000)
TABLE: Final = "bench"
REGION: Final = "eu-central-1"
ITEMS_A_TURN: Final = 4
BODY: Final = "x" * 900
BATCH: Final = 25
START_SECONDS: Final = 60
DEFINITION: Final[dict[str, Any]] = {
    "TableName": TABLE,
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "lane", "due")],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "due",
            "KeySchema": [{"AttributeName": "lane", "KeyType": "HASH"}, {"AttributeName": "due", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        },
    ],
}


class Skipped(Exception):
    """A backend cannot be measured here, and why."""


def item(turn: int, part: int, version: int) -> dict[str, Any]:
    """Return one item of about 1 KB; the first of each turn is in the index."""
    due = {"lane": {"S": "0"}, "due": {"S": f"2025-{turn:07}"}} if part == 0 else {}
    key = {"pk": {"S": f"J#{turn}"}, "sk": {"S": f"PART#{part}"}}
    return {**key, "version": {"N": str(version)}, "stage": {"S": "asked"}, "body": {"S": BODY}, **due}


def put(turn: int, part: int, version: int) -> dict[str, Any]:
    """Return one action that holds only if the item still has the version before."""
    condition = "attribute_not_exists(pk) OR version = :before"
    values = {":before": {"N": str(version - 1)}}
    written = item(turn, part, version)
    return {
        "Put": {
            "TableName": TABLE,
            "Item": written,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
        },
    }


def fill(client: Any, stored: int) -> None:
    """Store so many items, in batches."""
    requests = [{"PutRequest": {"Item": item(at // ITEMS_A_TURN, at % ITEMS_A_TURN, 1)}} for at in range(stored)]
    for start in range(0, stored, BATCH):
        client.batch_write_item(RequestItems={TABLE: requests[start : start + BATCH]})


def turn(client: Any, number: int) -> tuple[float, float]:
    """Do one turn on a journey of its own; return the seconds of the whole and of its transaction."""
    began = time.perf_counter()
    for part in range(2):
        key = {"pk": {"S": f"J#{number}"}, "sk": {"S": f"PART#{part}"}}
        client.get_item(TableName=TABLE, Key=key, ConsistentRead=True)
    before = time.perf_counter()
    client.transact_write_items(TransactItems=[put(number, part, 1) for part in range(ITEMS_A_TURN)])
    after = time.perf_counter()
    client.query(
        TableName=TABLE,
        IndexName="due",
        KeyConditionExpression="lane = :lane AND due <= :now",
        ExpressionAttributeValues={":lane": {"S": "0"}, ":now": {"S": "2025-0000010"}},
        Limit=10,
    )
    return time.perf_counter() - began, after - before


def measure(client: Any, stored: int, seconds: float) -> dict[str, float]:
    """Return the medians in ms of as many turns as fit into so many seconds, at least five."""
    client.create_table(**DEFINITION)
    fill(client, stored)
    turns: list[tuple[float, float]] = []
    deadline = time.perf_counter() + seconds
    while len(turns) < 5 or (time.perf_counter() < deadline and len(turns) < 1_000):  # noqa: PLR2004 - see the docstring
        turns.append(turn(client, 1_000_000 + len(turns)))
    client.delete_table(TableName=TABLE)
    whole, transaction = zip(*turns, strict=True)
    return {"turn_ms": median(whole) * 1000, "transaction_ms": median(transaction) * 1000, "turns": len(turns)}


@contextmanager
def stand_ins() -> Iterator[Callable[[], Any]]:
    """Give clients of the project's own stand-ins."""
    from local.aws import Account

    yield lambda: Account(lambda: datetime.now(UTC)).client("dynamodb")


@contextmanager
def moto() -> Iterator[Callable[[], Any]]:
    """Give clients of moto in this process."""
    if find_spec("moto") is None:
        raise Skipped("moto is not installed")
    from moto import mock_aws

    with mock_aws():
        yield lambda: aws_client(None)


@contextmanager
def ministack() -> Iterator[Callable[[], Any]]:
    """Give clients of a MiniStack server that lives as long as the measurement."""
    if find_spec("ministack") is None:
        raise Skipped("MiniStack is not installed: pip install 'ministack[full]'")
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {
            **os.environ,
            "TMPDIR": folder,
            "GATEWAY_PORT": str(port),
            "EDGE_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
        }
        command = [sys.executable, "-m", "ministack"]
        quiet = subprocess.DEVNULL
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=quiet, stderr=quiet)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url, server)
            yield lambda: aws_client(url)
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Wait until a server answers; give up after a minute or when it ends."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{url}/_ministack/health", timeout=2):  # noqa: S310 - a server of our own
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise Skipped(f"MiniStack did not answer at {url}")


def aws_client(url: str | None) -> Any:
    """Return boto3's client with made-up credentials."""
    import boto3

    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)  # noqa: S106
    return session.client("dynamodb", endpoint_url=url)


BACKENDS: Final = {"stand-ins": stand_ins, "moto": moto, "ministack": ministack}


def results(chosen: list[str], seconds: float) -> list[dict[str, Any]]:
    """Measure each backend at each size; a backend that is not there gives its reason."""
    rows: list[dict[str, Any]] = []
    for name in chosen:
        try:
            with BACKENDS[name]() as new_client:
                rows += [
                    {"backend": name, "stored": stored, **measure(new_client(), stored, seconds)} for stored in STORED
                ]
        except Skipped as reason:
            rows.append({"backend": name, "skipped": str(reason)})
    return rows


def shown(row: dict[str, Any]) -> str:
    """Return one line of the table."""
    if "skipped" in row:
        return f"{row['backend']:<10} skipped: {row['skipped']}"
    times = f"{row['transaction_ms']:>15.3f} {row['turn_ms']:>10.3f}"
    return f"{row['backend']:<10} {row['stored']:>6} {times} {row['turns']:>6}"


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--seconds", type=float, default=3, help="how long each backend is measured at each size (default 3)"
    )
    parser.add_argument(
        "--backend", action="append", choices=sorted(BACKENDS), help="measure only this one; may be repeated"
    )
    options = parser.parse_args()
    rows = results(options.backend or list(BACKENDS), options.seconds)
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'backend':<10} {'stored':>6} {'transaction ms':>15} {'turn ms':>10} {'turns':>6}   (medians)")
    print("\n".join(shown(row) for row in rows))


if __name__ == "__main__":
    main()
