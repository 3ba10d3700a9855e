"""EXPORT DATA: what its options say, and the query whose rows go into a bucket."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from athena_lab.emulator.extracts import EXPORTED
from athena_lab.emulator.faults import invalid_query, unsupported

_OPTIONS = frozenset(
    {"uri", "format", "compression", "field_delimiter", "header", "overwrite", "use_avro_logical_types"}
)


def read_export(statement: exp.Export) -> tuple[exp.Query, dict[str, Any]]:
    """Give the query and the options of EXPORT DATA; refuse what cannot be done alike."""
    if statement.args.get("connection"):
        raise unsupported("EXPORT DATA WITH CONNECTION")
    query = statement.this
    if not isinstance(query, exp.Query):
        raise invalid_query("Syntax error: EXPORT DATA needs a query after AS")
    options = dict(_option(item) for item in statement.args["options"].expressions)
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise unsupported(f"The option {unknown[0]} of EXPORT DATA")
    _check(options)
    return query, options


def _check(options: dict[str, Any]) -> None:
    for name in ("uri", "format"):
        if not options.get(name):
            raise invalid_query(f"Option '{name}' is missing or empty.")
    kind = str(options["format"]).upper()
    if kind not in EXPORTED:
        raise invalid_query(f"'{kind}' is not a valid value; failed to set 'format' in EXPORT DATA OPTIONS")
    if str(options["uri"]).count("*") != 1:
        raise invalid_query("Option 'uri' value must be a wildcard URI.")


def _option(item: exp.Expression) -> tuple[str, Any]:
    name, value = item.name.lower(), item.args.get("value")
    if isinstance(item, exp.FileFormatProperty):
        name, value = "format", item.this
    if isinstance(value, exp.Boolean):
        return name, bool(value.this)
    if isinstance(value, exp.Literal) and value.is_string:
        return name, str(value.this)
    raise unsupported(f"An expression as the option {name} of EXPORT DATA")
