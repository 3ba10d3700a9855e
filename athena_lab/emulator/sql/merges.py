"""MERGE … INSERT VALUES (…) without columns, which sqlglot takes for a function of the name VALUES."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp


def straighten_merges(statements: Iterable[exp.Expression | None]) -> None:
    """Put the values of an INSERT without columns where those of one with columns are."""
    for statement in statements:
        if not isinstance(statement, exp.Merge):
            continue
        for when in statement.args["whens"].expressions:
            then = when.args.get("then")
            if not isinstance(then, exp.Insert) or not isinstance(then.this, exp.Tuple):
                continue
            items = then.this.expressions
            if len(items) == 1 and isinstance(items[0], exp.Anonymous) and items[0].name.upper() == "VALUES":
                then.set("expression", exp.Tuple(expressions=items[0].expressions))
                then.set("this", None)
