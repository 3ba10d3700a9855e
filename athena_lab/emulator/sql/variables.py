"""Variables of scripts and system variables (@@name): names of a statement that stand for values."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.types import Field

PREFIX = "athena_v_"
"""Before a variable's name among the parameters of a statement."""
SYSTEM_PREFIX = "athena_s_"


def variable(name: str) -> str:
    """Give the parameter that carries a script's variable."""
    return PREFIX + name.lower()


def system_variable(name: str) -> str:
    """Give the parameter that carries @@name."""
    return SYSTEM_PREFIX + name.lower().replace(".", "_")


def bind_system_variables(tree: exp.Expression, types: Mapping[str, Field], typed: Mapping[str, exp.DataType]) -> None:
    """Replace every @@name by its value's parameter; refuse a name that is none."""
    for node in list(tree.find_all(exp.Parameter)):
        if not isinstance(node.this, exp.Parameter):
            continue
        name, top = node.this.name, node
        while isinstance(top.parent, exp.Dot) and top.parent.this is top:
            top = top.parent
            name = f"{name}.{top.expression.name}"
        key = system_variable(name)
        if key not in types:
            raise invalid_query(f"Unrecognized name: @@{name}")
        top.replace(_placeholder(key, typed[key]))


def bind_variables(tree: exp.Expression, types: Mapping[str, Field], typed: Mapping[str, exp.DataType]) -> None:
    """Replace the names that are variables; a column or alias of the same name comes first."""
    names = {key.removeprefix(PREFIX) for key in types if key.startswith(PREFIX)}
    if not names:
        return
    for column in list(tree.find_all(exp.Column)):
        parts = [part.name.lower() for part in column.parts]
        if parts[0] not in names or isinstance(column.this, exp.Star) or column.parent is None:
            continue
        made: exp.Expression = _placeholder(PREFIX + parts[0], typed[PREFIX + parts[0]])
        for part in column.parts[1:]:
            made = exp.Dot(this=made, expression=part.copy())
        parent = column.parent
        if isinstance(parent, exp.Select) and column.arg_key == "expressions":
            made = exp.alias_(made, column.name, quoted=True)
        column.replace(made)


def visible(tree: exp.Expression, columns: Mapping[str, tuple[Field, ...]]) -> set[str]:
    """Give the names that columns, aliases and tables of a statement take before variables."""
    taken = {item.name.lower() for fields in columns.values() for item in fields}
    for alias in tree.find_all(exp.TableAlias):
        taken |= {alias.name.lower(), *(part.name.lower() for part in alias.args.get("columns") or ())}
    for query in tree.find_all(exp.Subquery, exp.CTE):
        taken |= {name.lower() for name in query.this.named_selects} if isinstance(query.this, exp.Query) else set()
    return taken


def _placeholder(key: str, kind: exp.DataType) -> exp.Expression:
    made = exp.Cast(this=exp.Placeholder(this=key), to=kind.copy())
    made.meta["is_parameter"] = True
    return made
