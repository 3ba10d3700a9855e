"""What CREATE and ALTER say beside names: columns, OPTIONS, PARTITION BY, CLUSTER BY, in the REST API's words."""

from __future__ import annotations

import datetime
import re
from typing import Any

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.policies.statements import assigned_name
from athena_lab.emulator.sql.typenames import type_json
from athena_lab.emulator.types import Field, field_from_json


def column_of(node: exp.ColumnDef) -> Field:
    """Read a column of a CREATE or ALTER."""
    kind = node.args["kind"]
    resource: dict[str, Any] = {"name": node.name, **type_json(kind)}
    for constraint in node.args.get("constraints") or ():
        if isinstance(constraint.args["kind"], exp.NotNullColumnConstraint):
            resource["mode"] = "REQUIRED"
        elif isinstance(constraint.args["kind"], exp.Properties):
            resource.update(options_of(constraint.args["kind"]))
        elif isinstance(constraint.args["kind"], exp.DefaultColumnConstraint):
            default = constraint.args["kind"].this
            if default.find(exp.Query, exp.Column):
                raise invalid_query("A column's default cannot contain a query or a column.")
            resource["defaultValueExpression"] = default.sql("bigquery")
        else:
            raise unsupported(f"The constraint {constraint.sql('bigquery')}")
    return field_from_json(resource)


def options_of(properties: exp.Properties | None) -> dict[str, Any]:
    """Give what OPTIONS, PARTITION BY and CLUSTER BY say, in the REST API's words."""
    found: dict[str, Any] = {}
    for item in properties.expressions if properties is not None else ():
        if isinstance(item, exp.PartitionedByProperty):
            found.update(_partitioning(item.this))
        elif isinstance(item, exp.Cluster | exp.ClusterProperty):
            found["clustering"] = {"fields": [column.name for column in item.expressions]}
        elif isinstance(item, exp.TemporaryProperty | exp.MaterializedProperty | exp.LikeProperty):
            continue  # read by whoever makes the table
        elif isinstance(item, exp.Property) and type(item) is exp.Property:
            _add_option(found, item.name.lower(), item.args["value"])
        else:
            raise unsupported(f"{item.sql('bigquery')} in CREATE")
    return found


_OPTIONS = {
    "description": "description", "friendly_name": "friendlyName", "location": "location",
    "default_rounding_mode": "defaultRoundingMode", "storage_billing_model": "storageBillingModel",
}  # fmt: skip
_NUMBERS = {"max_time_travel_hours": "maxTimeTravelHours", "max_staleness": "maxStaleness"}
_DAY_MS = 86_400_000


def _add_option(found: dict[str, Any], name: str, value: exp.Expression) -> None:
    if name == "labels":
        found["labels"] = {pair.expressions[0].name: pair.expressions[1].name for pair in value.expressions}
    elif name == "data_policies":
        items = value.expressions if isinstance(value, exp.Array) else [value]
        found["dataPolicies"] = [{"name": assigned_name(item.name)} for item in items]
    elif name in _OPTIONS:
        found[_OPTIONS[name]] = None if isinstance(value, exp.Null) else value.name
    elif name in _NUMBERS:
        found[_NUMBERS[name]] = value.name
    elif not _add_lifetime(found, name, value):
        raise invalid_query(f"Unknown option: {name}")


def _add_lifetime(found: dict[str, Any], name: str, value: exp.Expression) -> bool:
    """Take the options about partitions and expiration; tell whether it was one."""
    is_null = isinstance(value, exp.Null)
    if name == "require_partition_filter":
        found["requirePartitionFilter"] = bool(value.this) if isinstance(value, exp.Boolean) else False
    elif name in ("partition_expiration_days", "default_table_expiration_days", "default_partition_expiration_days"):
        milliseconds = None if is_null else str(int(float(value.name) * _DAY_MS))
        if name == "partition_expiration_days":
            found.setdefault("timePartitioning", {})["expirationMs"] = milliseconds
        else:
            key = "defaultTableExpirationMs" if "table" in name else "defaultPartitionExpirationMs"
            found[key] = milliseconds
    elif name == "expiration_timestamp":
        found["expirationTime"] = None if is_null else _moment_ms(value)
    else:
        return False
    return True


_UNIT_S = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}


def _moment_ms(value: exp.Expression) -> str:
    return str(int(_moment(value).timestamp() * 1000))


def _moment(value: exp.Expression) -> datetime.datetime:
    """Give a constant moment, or one that is counted from the present."""
    if isinstance(value, exp.CurrentTimestamp):
        return datetime.datetime.now(datetime.UTC)
    if isinstance(value, exp.TimestampAdd | exp.TimestampSub):
        unit, count = str(value.args["unit"].name).upper(), value.expression
        if unit not in _UNIT_S or not isinstance(count, exp.Literal):
            raise unsupported("expiration_timestamp that is not counted in seconds, minutes, hours or days")
        span = datetime.timedelta(seconds=int(count.name) * _UNIT_S[unit])
        return _moment(value.this) + (span if isinstance(value, exp.TimestampAdd) else -span)
    literal = value.find(exp.Literal)
    if not isinstance(value, exp.Cast | exp.Literal) or literal is None:
        raise unsupported("expiration_timestamp that is not a constant")
    text = re.sub(r" ?(UTC|Z)$", "+00:00", literal.name)
    moment = datetime.datetime.fromisoformat(re.sub(r"([+-]\d{2})$", r"\1:00", text))
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _partitioning(node: exp.Expression) -> dict[str, Any]:
    if isinstance(node, exp.RangeBucket):
        bounds = node.expression
        if not isinstance(bounds, exp.GenerateSeries):
            raise invalid_query("PARTITION BY RANGE_BUCKET needs GENERATE_ARRAY(start, end, interval)")
        names = ("start", "end", "step")
        start, end, step = (bounds.args[name].sql() if bounds.args.get(name) is not None else "1" for name in names)
        return {"rangePartitioning": {"field": node.this.name, "range": {"start": start, "end": end, "interval": step}}}
    column = node.find(exp.Column) or node.find(exp.Identifier)
    unit = node.args.get("unit")
    kind = unit.name.upper() if unit is not None else "DAY"
    name = column.name if column is not None else None
    if name is not None and name.upper() in ("_PARTITIONTIME", "_PARTITIONDATE"):
        name = None
    return {"timePartitioning": {"type": kind, **({"field": name} if name is not None else {})}}
