"""Which partitions a condition lets through: conditions as values, judged by the bounds of a partition.

https://cloud.google.com/bigquery/docs/querying-partitioned-tables: a partition is left out where a constant
condition on the partitioning column alone excludes it; whatever cannot be judged lets every partition through.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.sql.rules import apply_rules

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICRO = datetime.timedelta(microseconds=1)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and greatest value of the partitioning column in a partition (None: no end), or that it is NULL."""

    low: int | None = None
    high: int | None = None
    is_null: bool = False


ANYTHING = Bounds()


@dataclass(frozen=True, slots=True)
class Constant:
    """An expression without columns, as DuckDB's SQL, and the parameters that it uses."""

    sql: str
    parameters: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A condition that cannot be judged beforehand; `is_filter` where it still excludes partitions when it runs."""

    is_filter: bool = False


@dataclass(frozen=True, slots=True)
class Compare:
    """The column, cut to units in order, compared with a constant (its place among the statement's)."""

    operator: str
    units: tuple[str, ...]
    constant: int


@dataclass(frozen=True, slots=True)
class OneOf:
    """The column, cut to units, among constants of which each may be an array."""

    units: tuple[str, ...]
    constants: tuple[int, ...]
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Null:
    """Whether the column is NULL."""

    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Always:
    """A condition without columns."""

    constant: int
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Together:
    """Conditions of which all must hold, or one."""

    parts: tuple[Condition, ...]
    is_all: bool


Condition = Unknown | Compare | OneOf | Null | Always | Together
IsColumn = Callable[[exp.Column], bool]
_OPERATORS: dict[type, str] = {exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_SWAPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_CHANGING = (exp.Column, exp.Query, exp.AggFunc, exp.Window, exp.Rand, exp.Uuid, exp.TableColumn, exp.Lambda)


# -- reading conditions


class Reader:
    """Reads the conditions of one statement; their constants are gathered to be computed together."""

    def __init__(self) -> None:
        self.constants: list[Constant] = []

    def read(self, node: exp.Expression, is_column: IsColumn) -> Condition:
        """Read a condition on the column that `is_column` knows."""
        if isinstance(node, exp.Paren):
            return self.read(node.this, is_column)
        if isinstance(node, exp.And | exp.Or):
            parts = tuple(self.read(part, is_column) for part in node.flatten())
            return Together(parts, isinstance(node, exp.And))
        if isinstance(node, exp.Not):
            return negated(self.read(node.this, is_column))
        if isinstance(node, exp.Is):
            is_null = isinstance(node.expression, exp.Null) and units_of(node.this, is_column) == ()
            return Null() if is_null else self._always(node)
        if isinstance(node, exp.Between):
            low, high = exp.GTE(this=node.this, expression=node.args["low"]), node.args["high"]
            ends = (self._compare(low, is_column), self._compare(exp.LTE(this=node.this, expression=high), is_column))
            return Together(ends, is_all=True)
        if isinstance(node, exp.In):
            return self._one_of(node, is_column)
        return self._compare(node, is_column) if type(node) in _OPERATORS else self._always(node)

    def _compare(self, node: exp.Expression, is_column: IsColumn) -> Condition:
        left, right, operator = node.this, node.expression, _OPERATORS[type(node)]
        units = units_of(left, is_column)
        if units is None:
            units, right, operator = units_of(right, is_column), left, _SWAPPED[operator]
        if units is None:
            return self._always(node)
        if isinstance(right, exp.Subquery) and not _is_correlated(right):
            return Unknown(is_filter=True)
        place = self._place(right)
        return Unknown() if place is None else Compare(operator, units, place)

    def _one_of(self, node: exp.In, is_column: IsColumn) -> Condition:
        units = units_of(node.this, is_column)
        if units is None:
            return self._always(node)
        unnest = node.args.get("unnest")
        items = list(unnest.expressions) if unnest is not None else list(node.expressions)
        if isinstance(node.args.get("field"), exp.Expression) or node.args.get("query") is not None or not items:
            return Unknown()
        places = [self._place(item) for item in items]
        if any(place is None for place in places):
            return Unknown()
        return OneOf(units, tuple(place for place in places if place is not None))

    def _always(self, node: exp.Expression) -> Condition:
        place = self._place(node)
        return Unknown() if place is None else Always(place)

    def _place(self, node: exp.Expression) -> int | None:
        """Keep a constant; give its place, None where the expression is none."""
        if node.find(*_CHANGING) is not None:
            return None
        wrapped = exp.Select(expressions=[node.copy()])
        try:
            (made,) = apply_rules(wrapped).expressions
            sql = made.sql("duckdb")
        except (SqlglotError, BigQueryError):
            return None
        names = frozenset(str(item.this) for item in node.find_all(exp.Placeholder))
        constant = Constant(sql, names)
        if constant not in self.constants:
            self.constants.append(constant)
        return self.constants.index(constant)


def _is_correlated(query: exp.Expression) -> bool:
    own = {item.alias_or_name for item in query.find_all(exp.Table, exp.Subquery, exp.Unnest, exp.CTE)}
    return any(column.table and column.table not in own for column in query.find_all(exp.Column))


def units_of(node: exp.Expression, is_column: IsColumn) -> tuple[str, ...] | None:
    """Give the units to which an expression cuts the column, () for the column itself, None for anything else."""
    if isinstance(node, exp.Paren):
        return units_of(node.this, is_column)
    if isinstance(node, exp.Column):
        return () if is_column(node) else None
    if isinstance(node, exp.Extract):
        inner = units_of(node.expression, is_column) if node.name.upper() == "DATE" else None
        return None if inner is None else (*inner, "DAY")
    unit = _unit(node)
    inner = units_of(node.this, is_column) if unit is not None and isinstance(node.this, exp.Expression) else None
    return None if inner is None or unit is None else (*inner, unit)


def _unit(node: exp.Expression) -> str | None:
    """Give the unit to which a function cuts its argument, None where it does anything else."""
    if node.args.get("zone") is not None or node.args.get("expressions"):
        return None
    if isinstance(node, exp.Cast):
        return {exp.DType.DATE: "DAY", exp.DType.TIMESTAMP: "", exp.DType.TIMESTAMPTZ: ""}.get(node.to.this)
    if isinstance(node, exp.Date | exp.TsOrDsToDate):
        return "DAY"
    if isinstance(node, exp.Timestamp | exp.Datetime) and node.args.get("expression") is None:
        return ""
    if isinstance(node, exp.DateTrunc | exp.TimestampTrunc | exp.DatetimeTrunc):
        unit = node.args.get("unit")
        name = unit.name.upper() if isinstance(unit, exp.Var | exp.Literal) else ""
        return name if name in _CUTS else None
    return None


def negated(condition: Condition) -> Condition:
    """Give the condition that holds where another one does not."""
    if isinstance(condition, Compare):
        return Compare(_OPPOSITE[condition.operator], condition.units, condition.constant)
    if isinstance(condition, OneOf):
        return OneOf(condition.units, condition.constants, not condition.is_negated)
    if isinstance(condition, Null):
        return Null(not condition.is_negated)
    if isinstance(condition, Always):
        return Always(condition.constant, not condition.is_negated)
    if isinstance(condition, Together):
        return Together(tuple(negated(part) for part in condition.parts), not condition.is_all)
    return condition


def is_filter(condition: Condition | None) -> bool:
    """Tell whether a condition can exclude partitions by the partitioning column."""
    if isinstance(condition, Together):
        found = [is_filter(part) for part in condition.parts]
        return any(found) if condition.is_all else all(found)
    if isinstance(condition, Unknown):
        return condition.is_filter
    return isinstance(condition, Compare | OneOf | Null)


# -- judging partitions


def lets_through(condition: Condition | None, bounds: Bounds, values: Sequence[Any]) -> bool:
    """Tell whether rows of a partition may satisfy a condition; `values` are the constants, computed."""
    if condition is None or isinstance(condition, Unknown):
        return True
    if isinstance(condition, Together):
        answers = (lets_through(part, bounds, values) for part in condition.parts)
        return all(answers) if condition.is_all else any(answers)
    if isinstance(condition, Always):
        value = values[condition.constant]
        return value is UNKNOWN or (value is not None and bool(value) is not condition.is_negated)
    if isinstance(condition, Null):
        return bounds.is_null is not condition.is_negated
    if bounds.is_null:
        return False
    low, high = (_cut(end, condition.units) for end in (bounds.low, bounds.high))
    if isinstance(condition, OneOf):
        return _among(condition, low, high, values)
    value = _number(values[condition.constant])
    return value is UNKNOWN or (value is not None and _compares(condition.operator, low, high, value))


class _UnknownValue:
    """A constant that could not be computed."""


UNKNOWN = _UnknownValue()


def _among(condition: OneOf, low: int | None, high: int | None, values: Sequence[Any]) -> bool:
    found = [values[place] for place in condition.constants]
    numbers = [_number(item) for value in found for item in (value if isinstance(value, list) else [value])]
    if any(number is UNKNOWN for number in numbers):
        return True
    if not condition.is_negated:
        return any(number is not None and _compares("=", low, high, number) for number in numbers)
    return None not in numbers and not (low == high and low in numbers)


def _compares(operator: str, low: int | None, high: int | None, value: Any) -> bool:
    """Tell whether a value between low and high may compare so with another."""
    if operator == "!=":
        return not (low is not None and low == high == value)
    is_not_above = low is None or (low < value if operator == "<" else low <= value)
    is_not_below = high is None or (high > value if operator == ">" else high >= value)
    if operator in ("<", "<="):
        return is_not_above
    return is_not_below if operator in (">", ">=") else is_not_above and is_not_below


def _number(value: Any) -> Any:
    """Give a constant on the scale of bounds: moments in microseconds since 1970, whole numbers as they are."""
    if value is None or value is UNKNOWN or isinstance(value, int):
        return value
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value.strip().replace(" UTC", "+00:00"))
        except ValueError:
            return UNKNOWN
    return microseconds(value) if isinstance(value, datetime.date) else UNKNOWN


def microseconds(moment: datetime.date) -> int:
    """Give a date or moment (without a zone: UTC) in microseconds since 1970."""
    if not isinstance(moment, datetime.datetime):
        moment = datetime.datetime.combine(moment, datetime.time())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // _MICRO


def _cut(value: int | None, units: tuple[str, ...]) -> int | None:
    for unit in units:
        value = value if value is None or not unit else _CUTS[unit](value)
    return value


def _month(value: int, months: int) -> int:
    moment = _EPOCH + value * _MICRO
    first = moment.replace(month=(moment.month - 1) // months * months + 1, day=1)
    return microseconds(datetime.date(first.year, first.month, 1))


_CUTS: dict[str, Callable[[int], int]] = {
    "HOUR": lambda value: value // HOUR_US * HOUR_US,
    "DAY": lambda value: value // DAY_US * DAY_US,
    "MONTH": lambda value: _month(value, 1),
    "QUARTER": lambda value: _month(value, 3),
    "YEAR": lambda value: _month(value, 12),
}


def next_start(value: int, unit: str) -> int:
    """Give where the partition after the one that starts at `value` starts."""
    if unit in ("HOUR", "DAY"):
        return value + (HOUR_US if unit == "HOUR" else DAY_US)
    moment = _EPOCH + value * _MICRO
    month = moment.month % 12 + 1 if unit == "MONTH" else 1
    year = moment.year + (1 if month == 1 else 0)
    return microseconds(datetime.date(year, month, 1)) if year <= datetime.MAXYEAR else value + 366 * DAY_US
