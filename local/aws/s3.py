"""The S3 client: one version of each object, listed by prefix, and what a bucket tells a queue of new ones.

Sources: S3 User Guide, "Bucket naming rules", "Naming Amazon S3 objects", "Event message structure"; S3 API Reference.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import md5
from io import BytesIO
from typing import Any, ClassVar, Final, Unpack
from urllib.parse import quote_plus

from local.aws import shapes
from local.aws.calls import Client, Meter, Response, operation
from local.aws.errors import Refused
from local.aws.values import text_bytes

MAX_KEY_BYTES: Final = 1024
MAX_KEYS: Final = 1000
#: In one PutObject; larger objects need several parts, which nothing here writes.
MAX_OBJECT_BYTES: Final = 5 * 1024**3
_BUCKET: Final = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+\Z)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z", re.ASCII).match
#: Puts a body into the queue of an ARN; raises Refused when there is none.
Deliver = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as it stands."""

    body: bytes
    kind: str
    at: datetime

    @property
    def etag(self) -> str:
        """Return its entity tag, quoted as S3 gives it."""
        return f'"{md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass(slots=True)
class Bucket:
    """One bucket: its objects, and which queues hear of new ones under which prefix."""

    objects: dict[str, Stored] = field(default_factory=dict)
    listeners: list[tuple[str, str]] = field(default_factory=list)


class S3(Client):
    """Buckets in memory, without versions."""

    service: ClassVar[str] = "s3"

    def __init__(self, meter: Meter, region: str, deliver: Deliver) -> None:
        """Take the meter, the Region, and what delivers to a queue."""
        super().__init__(meter)
        self._region, self._deliver = region, deliver
        self._buckets: dict[str, Bucket] = {}

    @operation(shapes.CreateBucket)
    def create_bucket(self, **params: Unpack[shapes.CreateBucket]) -> Response:
        """Create an empty bucket; outside of us-east-1 its Region must be said."""
        name = params["Bucket"]
        if not _BUCKET(name):
            raise Refused("InvalidBucketName", "The specified bucket is not valid.")
        place = params.get("CreateBucketConfiguration", {}).get("LocationConstraint", "us-east-1")
        if place != self._region:
            raise Refused(
                "IllegalLocationConstraintException",
                "The unspecified location constraint is incompatible for the region specific endpoint this request was "
                "sent to.",
            )
        if name in self._buckets:
            raise Refused("BucketAlreadyOwnedByYou", "You already own it.", status=409)
        self._buckets[name] = Bucket()
        return {"Location": f"http://{name}.s3.amazonaws.com/"}

    @operation(shapes.PutBucketNotificationConfiguration)
    def put_bucket_notification_configuration(
        self, **params: Unpack[shapes.PutBucketNotificationConfiguration]
    ) -> Response:
        """Tell queues of every new object under a prefix; S3 sends each a test message first."""
        bucket = self._bucket(params["Bucket"])
        bucket.listeners = []
        for told in params["NotificationConfiguration"].get("QueueConfigurations", []):
            if list(told["Events"]) != ["s3:ObjectCreated:*"]:
                raise Refused("InvalidArgument", "The stand-in tells of s3:ObjectCreated:* only.")
            rules = told.get("Filter", {}).get("Key", {}).get("FilterRules", [])
            prefix = next((rule["Value"] for rule in rules if rule["Name"].lower() == "prefix"), "")
            test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": params["Bucket"]}
            self._deliver(told["QueueArn"], json.dumps(test))
            bucket.listeners.append((prefix, told["QueueArn"]))
        return {}

    @operation(shapes.PutObject)
    def put_object(self, **params: Unpack[shapes.PutObject]) -> Response:
        """Write an object whole, over the one of that key."""
        bucket, key = self._bucket(params["Bucket"]), _key(params["Key"])
        body = params.get("Body", b"")
        if len(body) > MAX_OBJECT_BYTES:
            raise Refused("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        stored = Stored(bytes(body), params.get("ContentType", "binary/octet-stream"), self.meter.clock())
        bucket.objects[key] = stored
        for prefix, queue in bucket.listeners:
            if key.startswith(prefix):
                self._deliver(queue, json.dumps(self._news(params["Bucket"], key, stored)))
        return {"ETag": stored.etag}

    def _news(self, bucket: str, key: str, stored: Stored) -> Mapping[str, Any]:
        """Return what S3 tells of a new object; its key is encoded as a form would be."""
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": self._region,
            "eventTime": stored.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                "object": {"key": quote_plus(key, safe="/"), "size": len(stored.body), "eTag": stored.etag.strip('"')},
            },
        }
        return {"Records": [record]}

    @operation(shapes.GetObject)
    def get_object(self, **params: Unpack[shapes.GetObject]) -> Response:
        """Read an object; its Body is a stream."""
        stored = self._bucket(params["Bucket"]).objects.get(_key(params["Key"]))
        if stored is None:
            raise Refused("NoSuchKey", "The specified key does not exist.", status=404)
        return {
            "Body": BytesIO(stored.body),
            "ContentLength": len(stored.body),
            "ContentType": stored.kind,
            "ETag": stored.etag,
            "LastModified": stored.at,
            "Metadata": {},
        }

    @operation(shapes.ListObjectsV2)
    def list_objects_v2(self, **params: Unpack[shapes.ListObjectsV2]) -> Response:
        """List the keys under a prefix in the order of their bytes, a page at a time."""
        bucket, prefix = self._bucket(params["Bucket"]), params.get("Prefix", "")
        after, most = params.get("ContinuationToken", ""), min(params.get("MaxKeys", MAX_KEYS), MAX_KEYS)
        if most < 0:
            raise Refused("InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647")
        keys = [key for key in sorted(bucket.objects, key=str.encode) if key.startswith(prefix) and key > after]
        page, more = keys[:most], len(keys) > most > 0
        contents = [
            {"Key": key, "LastModified": one.at, "ETag": one.etag, "Size": len(one.body), "StorageClass": "STANDARD"}
            for key, one in ((key, bucket.objects[key]) for key in page)
        ]
        answer: Response = {
            "Name": params["Bucket"],
            "Prefix": prefix,
            "MaxKeys": most,
            "KeyCount": len(page),
            "IsTruncated": more,
        }
        if contents:
            answer["Contents"] = contents
        if more:
            answer["NextContinuationToken"] = page[-1]
        return answer

    @operation(shapes.DeleteObject)
    def delete_object(self, **params: Unpack[shapes.DeleteObject]) -> Response:
        """Delete an object; one that is not there is deleted already."""
        self._bucket(params["Bucket"]).objects.pop(_key(params["Key"]), None)
        return {}

    @operation(shapes.DeleteObjects)
    def delete_objects(self, **params: Unpack[shapes.DeleteObjects]) -> Response:
        """Delete up to 1,000 objects."""
        bucket, named = self._bucket(params["Bucket"]), params["Delete"]["Objects"]
        if not 0 < len(named) <= MAX_KEYS:
            raise Refused("MalformedXML", "The XML you provided was not well-formed or did not validate")
        for one in named:
            bucket.objects.pop(_key(one["Key"]), None)
        return {} if params["Delete"].get("Quiet") else {"Deleted": [{"Key": one["Key"]} for one in named]}

    def _bucket(self, name: str) -> Bucket:
        if name not in self._buckets:
            raise Refused("NoSuchBucket", "The specified bucket does not exist", status=404)
        return self._buckets[name]


def _key(key: str) -> str:
    if not 0 < text_bytes(key) <= MAX_KEY_BYTES:
        raise Refused("KeyTooLongError", "Your key is too long")
    return key
