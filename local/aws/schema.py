"""What a DynamoDB table is made of: CreateTable's arguments checked, and the description that AWS gives back."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from local.aws.errors import invalid
from local.aws.tables import Index, Key, Table

MAX_INDEXES: Final = 20
_KEY_TYPES: Final = frozenset({"S", "N", "B"})
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}\Z", re.ASCII).match


def new_table(params: Mapping[str, Any], arn: str, now: datetime, index_lag: timedelta) -> Table:
    """Return an empty table from CreateTable's arguments."""
    name = params["TableName"]
    if not _NAME(name):
        invalid(
            f"1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: "
            f"[a-zA-Z0-9_.-]{{3,255}}"
        )
    types = _attribute_types(params["AttributeDefinitions"])
    listed = params.get("GlobalSecondaryIndexes", ())
    _check_definitions(types, [params["KeySchema"], *(index["KeySchema"] for index in listed)])
    _check_indexes(listed)
    key = _key(params["KeySchema"], types)
    indexes = {index["IndexName"]: _index(index, key, types, index_lag) for index in listed}
    kept = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
    index_keys = tuple((each.name, *pair) for each in indexes.values() for pair in each.key.types.items())
    description = {"CreationDateTime": now} | {part: params[part] for part in kept if part in params}
    return Table(name, arn, key, indexes, index_keys, description)


def describe(table: Table) -> dict[str, Any]:
    """Return a table as DescribeTable does, with the counts of this instant."""
    description = {
        **table.description,
        "TableName": table.name,
        "TableArn": table.arn,
        "TableStatus": "ACTIVE",
        "ItemCount": table.count,
        "TableSizeBytes": table.bytes,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
    }
    if table.indexes:
        indexes = table.description["GlobalSecondaryIndexes"]
        description["GlobalSecondaryIndexes"] = [{**index, "IndexStatus": "ACTIVE"} for index in indexes]
    return description


def _attribute_types(definitions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    types = {each["AttributeName"]: each["AttributeType"] for each in definitions}
    if not set(types.values()) <= _KEY_TYPES or len(types) != len(definitions):
        invalid("One or more parameter values were invalid: each attribute is defined once, with the type S, N or B")
    return types


def _check_definitions(types: Mapping[str, str], schemas: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Refuse key attributes without a definition and definitions that no key uses."""
    used = {element["AttributeName"] for schema in schemas for element in schema}
    if used - types.keys():
        invalid(
            "One or more parameter values were invalid: Some index key attributes are not defined in "
            "AttributeDefinitions. "
            f"Keys: {sorted(used)}, AttributeDefinitions: {sorted(types)}",
        )
    if types.keys() - used:
        invalid(
            "One or more parameter values were invalid: Some AttributeDefinitions are not used. "
            f"AttributeDefinitions: {sorted(types)}, keys used: {sorted(used)}",
        )


def _check_indexes(listed: Sequence[Mapping[str, Any]]) -> None:
    if len(listed) > MAX_INDEXES:
        invalid(
            "One or more parameter values were invalid: GlobalSecondaryIndex count exceeds the per-table limit of "
            f"{MAX_INDEXES}"
        )
    if len({index["IndexName"] for index in listed}) != len(listed):
        invalid("One or more parameter values were invalid: Duplicate index name")


def _key(schema: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> Key:
    kinds = [element["KeyType"] for element in schema]
    if kinds not in (["HASH"], ["HASH", "RANGE"]):
        invalid("Invalid KeySchema: a HASH key, and after it at most one RANGE key")
    names = [element["AttributeName"] for element in schema]
    if len(set(names)) != len(names):
        invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    hash_name, range_name = names[0], "".join(names[1:])
    return Key(hash_name, types[hash_name], range_name, types.get(range_name, ""))


def _index(index: Mapping[str, Any], table_key: Key, types: Mapping[str, str], lag: timedelta) -> Index:
    key = _key(index["KeySchema"], types)
    return Index(index["IndexName"], key, _projected(index.get("Projection"), key, table_key), table_key, lag)


def _projected(projection: Mapping[str, Any] | None, key: Key, table_key: Key) -> frozenset[str] | None:
    """Return the attributes that an index holds; None for all."""
    kind = (projection or {}).get("ProjectionType")
    if kind not in {"ALL", "KEYS_ONLY", "INCLUDE"}:
        invalid("One or more parameter values were invalid: Unknown ProjectionType: null")
    if kind == "ALL":
        return None
    included = (projection or {}).get("NonKeyAttributes", ())
    if (kind == "INCLUDE") != bool(included):
        invalid(
            f"One or more parameter values were invalid: ProjectionType is {kind}, but NonKeyAttributes is "
            f"{list(included) or 'not specified'}"
        )
    return frozenset((*key.names, *table_key.names, *included))
