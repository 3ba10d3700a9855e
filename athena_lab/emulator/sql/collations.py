"""Collations: the binary one is what there is without any; every other would order and compare by Unicode's rules.

https://cloud.google.com/bigquery/docs/reference/standard-sql/collation-concepts
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from athena_lab.emulator.faults import unsupported

_BINARY = ("", "binary")


def put_in_collations(tree: exp.Expression) -> None:
    """Take out every binary collation; refuse the others wherever they are written."""
    for node in list(tree.find_all(exp.Collate)):
        _check(node.expression)
        node.replace(node.this)
    for holder in tree.find_all(exp.DataType, exp.AlterColumn):
        _check(holder.args.get("collate"))
        holder.set("collate", None)
    for clause in list(tree.find_all(exp.CollateColumnConstraint, exp.CollateProperty)):
        _check(clause.this)
        (clause.parent if isinstance(clause, exp.CollateColumnConstraint) else clause).pop()


def refuse_collations(resource: Any) -> None:
    """Refuse a resource of the REST API in which a dataset, table or column has a collation of its own."""
    if isinstance(resource, list):
        for item in resource:
            refuse_collations(item)
    if isinstance(resource, dict):
        for key in ("collation", "defaultCollation"):
            if str(resource.get(key) or "") not in _BINARY:
                raise unsupported(f"The collation '{resource[key]}'")
        for key in ("schema", "fields"):
            refuse_collations(resource.get(key))


def _check(name: exp.Expression | None) -> None:
    if not isinstance(name, exp.Expression) or (isinstance(name, exp.Literal) and name.this in _BINARY):
        return
    raise unsupported(f"The collation {name.sql('bigquery')}")
