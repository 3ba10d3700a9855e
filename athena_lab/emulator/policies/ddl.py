"""Statements about policies, planned and done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import Catalog, Table
from athena_lab.emulator.faults import BigQueryError, invalid_query
from athena_lab.emulator.policies import changes
from athena_lab.emulator.policies.filters import filter_sql
from athena_lab.emulator.policies.masking_routines import routine_key
from athena_lab.emulator.policies.model import (
    RAW,
    DataPolicy,
    RowPolicy,
    find_policy,
    policy_id,
    require_administrator,
    row_policies,
)
from athena_lab.emulator.policies.statements import PolicyStatement, assigned_name, table_node
from athena_lab.emulator.sql.references import Namespace, References


class PolicyStatements:
    """Does the statements of one principal."""

    def __init__(self, catalog: Catalog, principal: Principal, space: Namespace) -> None:
        self._catalog, self._principal, self._space = catalog, principal, space

    def plan(self, statement: PolicyStatement) -> Callable[[], None]:
        """Understand a statement and refuse what is wrong; give what does it."""
        require_administrator(self._principal, "define policies")
        makers = {
            "CREATE_DATA_POLICY": self._create,
            "ALTER_DATA_POLICY": self._alter,
            "DROP_DATA_POLICY": self._drop,
            "GRANT": self._grant,
            "REVOKE": self._grant,
            "ALTER_TABLE": self._assign,
            "CREATE_ROW_ACCESS_POLICY": self._create_rows,
            "DROP_ROW_ACCESS_POLICY": self._drop_rows,
            "DROP_ALL_ROW_ACCESS_POLICIES": self._drop_rows,
        }
        return makers[statement.kind](statement)

    def _policy(self, statement: PolicyStatement) -> DataPolicy:
        unknown = set(statement.options) - {"data_policy_type", "masking_expression"}
        if unknown:
            raise invalid_query(f"Unknown option: {min(unknown)}")
        kind = str(statement.options.get("data_policy_type") or RAW).upper()
        mask = statement.options.get("masking_expression")
        name = policy_id(statement.name, self._catalog.project)
        made = DataPolicy(name, kind)
        if mask is not None and ("." in mask or "/" in mask):
            made = replace(made, routine=routine_key(mask, self._catalog.project))
        elif mask is not None:
            made = replace(made, mask=str(mask).upper())
        return changes.check_policy(self._catalog.state, made)

    def _create(self, statement: PolicyStatement) -> Callable[[], None]:
        made = self._policy(statement)
        if statement.is_lenient and find_policy(self._catalog.state, made.name) is not None:
            return lambda: None
        return lambda: changes.put_policy(self._catalog, self._principal, made, is_replace=statement.is_replace)

    def _alter(self, statement: PolicyStatement) -> Callable[[], None]:
        name = policy_id(statement.name, self._catalog.project)
        if statement.is_lenient and find_policy(self._catalog.state, name) is None:
            return lambda: None
        present = changes.require_policy(self._catalog, name)
        routine = None if present.routine is None else ".".join((self._catalog.project, *present.routine))
        options = {"data_policy_type": present.kind, "masking_expression": routine or present.mask, **statement.options}
        made = self._policy(replace(statement, options=options))
        return lambda: changes.put_policy(self._catalog, self._principal, made, is_replace=True)

    def _drop(self, statement: PolicyStatement) -> Callable[[], None]:
        name = policy_id(statement.name, self._catalog.project)
        return lambda: changes.drop_policy(self._catalog, self._principal, name, if_exists=statement.is_lenient)

    def _grant(self, statement: PolicyStatement) -> Callable[[], None]:
        name = policy_id(statement.name, self._catalog.project)
        changes.require_policy(self._catalog, name)
        is_revoke = statement.kind == "REVOKE"

        def work() -> None:
            changes.grant(self._catalog, self._principal, name, statement.members, is_revoke=is_revoke)

        return work

    def _table(self, statement: PolicyStatement) -> Table:
        return References(self._space).lookup(table_node(statement.table))

    def _assign(self, statement: PolicyStatement) -> Callable[[], None]:
        try:
            table = self._table(statement)
        except BigQueryError as fault:
            if statement.is_lenient and fault.reason == "notFound":
                return lambda: None
            raise
        listed = statement.options["data_policies"]
        texts = [] if listed is None else [listed] if isinstance(listed, str) else listed
        names = [policy_id(assigned_name(text), self._catalog.project) for text in texts]

        def work() -> None:
            changes.assign(self._catalog, self._principal, table, statement.name, names, adds=statement.adds)

        return work

    def _create_rows(self, statement: PolicyStatement) -> Callable[[], None]:
        table = self._table(statement)
        if statement.is_lenient and any(item.name == statement.name for item in row_policies(table)):
            return lambda: None
        filter_sql(self._space, table, statement.condition)
        made = RowPolicy(statement.name, statement.members, statement.condition)

        def work() -> None:
            changes.put_row_policy(self._catalog, self._principal, table, made, is_replace=statement.is_replace)

        return work

    def _drop_rows(self, statement: PolicyStatement) -> Callable[[], None]:
        table = self._table(statement)
        name = statement.name or None
        if name is not None and statement.is_lenient and all(item.name != name for item in row_policies(table)):
            return lambda: None
        return lambda: changes.drop_row_policies(self._catalog, self._principal, table, name)
