"""Query jobs: what a configuration asks for, estimated (dry run) or done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from athena_lab.emulator import ddl, dml
from athena_lab.emulator.access import Principal
from athena_lab.emulator.alterations import alter
from athena_lab.emulator.dml_plans import execute
from athena_lab.emulator.estimates import read_bytes
from athena_lab.emulator.exports import read_export
from athena_lab.emulator.extracts import export
from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.parameters import read_parameters
from athena_lab.emulator.policies.ddl import PolicyStatements
from athena_lab.emulator.policies.grants import plan_grant, read_grant
from athena_lab.emulator.policies.masking_routines import refuse_governed
from athena_lab.emulator.policies.roles import DELETE_ROUTINE
from athena_lab.emulator.policies.statements import read_policy_statement
from athena_lab.emulator.routines import drop_routine, routine_name, store_function
from athena_lab.emulator.scripting import Script
from athena_lab.emulator.select import Prepared, Preparer, space_for
from athena_lab.emulator.sessions import Sessions
from athena_lab.emulator.sizes import billed
from athena_lab.emulator.sql.references import Namespace, References
from athena_lab.emulator.sql.script import Node, is_plain, looks_like_script, parse_script
from athena_lab.emulator.sql.variables import system_variable
from athena_lab.emulator.types import Field, schema_json
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.emulator.writing import Target, write

Work = Callable[[Job], None]
_SHAPES = ("timePartitioning", "rangePartitioning", "clustering")
_COUNTS = {"INSERT": "insertedRowCount", "UPDATE": "updatedRowCount", "DELETE": "deletedRowCount"}


@dataclass(slots=True)
class Planned:
    """A query job whose statement is understood: its estimate, and how to do it."""

    statement_type: str
    work: Work
    processed_bytes: int = 0
    referenced: tuple[dict[str, str], ...] = ()
    fields: tuple[Field, ...] | None = None
    statistics: dict[str, Any] | None = None
    target_fields: tuple[Field, ...] | None = None
    """Of DML: the columns of its target, which a dry run gives as its schema."""


class Queries:
    """Plans and runs the query jobs of a warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.preparer = Preparer(warehouse)
        self.sessions = Sessions(warehouse.catalog)

    def run(self, job: Job) -> None:
        """Do a query job: a script, or one statement."""
        query = job.configuration.get("query") or {}
        text = str(query.get("query") or "")
        if query.get("useLegacySql"):
            raise unsupported("Legacy SQL")
        self.sessions.join(job)
        if "ABORT_SESSION" in text.upper() and self.sessions.end(job, text):
            self._publish(job, Planned("CALL", lambda _: None))
            return
        with self.sessions.transaction(job):
            nodes = parse_script(text) if looks_like_script(text) else ()
            if nodes and not is_plain(nodes):
                self._run_script(job, nodes)
            else:
                self.run_text(job, text, read_parameters(query))

    def _run_script(self, job: Job, nodes: Sequence[Node]) -> None:
        script = Script(self, job)
        if job.configuration.get("dryRun"):
            script.publish()
        else:
            script.run(nodes)

    def run_text(
        self, job: Job, text: str, given: tuple[Mapping[str, Field], Mapping[str, Any]], temporary: str | None = None
    ) -> None:
        """Do one statement; the estimate comes first, and the limit on billed bytes with it."""
        planned = self.plan(job, text, given, temporary)
        self._publish(job, planned)
        self._refuse_over_limit(job, planned)
        if not job.configuration.get("dryRun"):
            planned.work(job)

    def space(self, job: Job, query: Mapping[str, Any], temporary: str | None = None) -> Namespace:
        """Tell where a job's statement looks names up."""
        space = space_for(self.warehouse, job.owner, query)
        return replace(space, temporary=temporary or job.session)

    def plan(
        self, job: Job, text: str, given: tuple[Mapping[str, Field], Mapping[str, Any]], temporary: str | None = None
    ) -> Planned:
        """Understand a statement; refuse what is wrong before anything runs."""
        query = job.configuration.get("query") or {}
        types, values = given
        space = self.space(job, query, temporary)
        grant = read_grant(text)
        if grant is not None:
            change = plan_grant(self.warehouse.catalog, space, grant)
            return Planned(grant.statement_type, lambda _: change())
        policy = read_policy_statement(text)
        if policy is not None:
            do = PolicyStatements(self.warehouse.catalog, job.owner, space).plan(policy)
            return Planned(policy.kind, lambda _: do())
        system = system_values(space)
        types = {**{key: item for key, (item, _) in system.items()}, **types}
        values = {**{key: value for key, (_, value) in system.items()}, **values}
        prepared = self.preparer.prepare_text(text, space, types, values)
        if isinstance(prepared, Prepared):
            return self._plan_select(query, prepared, values, job.owner)
        if isinstance(prepared, exp.Insert | exp.Update | exp.Delete | exp.Merge | exp.TruncateTable):
            return self._plan_dml(prepared, space, types, values)
        if isinstance(prepared, exp.Export):
            return self._plan_export(prepared, space, types, values)
        return self._plan_ddl(prepared, space, types, values)

    # -- kinds of statements

    def _plan_select(
        self, query: Mapping[str, Any], prepared: Prepared, values: Mapping[str, Any], owner: Principal
    ) -> Planned:
        destination = query.get("destinationTable")
        if destination:
            self.warehouse.require_write(owner, str(destination.get("datasetId")), str(destination.get("tableId")))
            _check_destination(query, str(destination.get("tableId", "")), prepared)

        def work(job: Job) -> None:
            if not destination:
                job.result = self.preparer.run(prepared, values, job)
                job.destination = self.warehouse.anonymous_table(job)
                return
            self.warehouse.require_project(str(destination.get("projectId", self.warehouse.project)))
            options = query.get("schemaUpdateOptions") or ()
            target = Target(
                destination["datasetId"],
                destination["tableId"],
                query.get("writeDisposition") or "WRITE_EMPTY",
                query.get("createDisposition") or "CREATE_IF_NEEDED",
                may_add_fields="ALLOW_FIELD_ADDITION" in options,
                may_relax_fields="ALLOW_FIELD_RELAXATION" in options,
                resource={key: query[key] for key in _SHAPES if query.get(key)},
            )
            write(self.warehouse, prepared.source(values), target, job)
            job.destination = dict(destination)

        translation = prepared.translation
        size = read_bytes(self.warehouse, translation.sources, values)
        return Planned("SELECT", work, size, tuple(translation.sources.referenced), prepared.fields)

    def _plan_export(
        self, statement: exp.Export, space: Namespace, types: Mapping[str, Field], values: Mapping[str, Any]
    ) -> Planned:
        query, options = read_export(statement)
        prepared = self.preparer.prepare(query, space, types, values)

        def work(job: Job) -> None:
            result = self.preparer.run(prepared, values, job)
            try:
                export(self.warehouse, result, options, job)
            finally:
                result.discard()
            counts = {"fileCount": "1", "rowCount": str(result.rows)}
            job.statistics["query"]["exportDataStatistics"] = counts

        translation = prepared.translation
        size = read_bytes(self.warehouse, translation.sources, values)
        return Planned("EXPORT_DATA", work, size, tuple(translation.sources.referenced))

    def _plan_dml(
        self, statement: exp.Expression, space: Namespace, types: Mapping[str, Field], values: Mapping[str, Any]
    ) -> Planned:
        made = dml.plan(self.warehouse, self.preparer, statement, space, (types, values))

        def work(job: Job) -> None:
            job.affected_rows = execute(self.warehouse, made, job)
            job.destination = self._reference(*made.target.key)
            statistics = job.statistics["query"]
            statistics["numDmlAffectedRows"] = str(job.affected_rows)
            counts = made.actions or {made.kind: job.affected_rows}
            found = {key: str(counts[kind]) for kind, key in _COUNTS.items() if kind in counts}
            if found:
                statistics["dmlStats"] = found

        target = self._reference(*made.target.key)
        referenced = [item for item in made.referenced if item != target] + [target]
        return Planned(made.kind, work, made.read_bytes, tuple(referenced), target_fields=made.target.fields)

    def _plan_ddl(
        self, statement: exp.Expression, space: Namespace, types: Mapping[str, Field], values: Mapping[str, Any]
    ) -> Planned:
        references = References(replace(space, given=(types, values)))
        if is_routine(statement):
            return self._plan_routine(statement, references)
        if isinstance(statement, exp.Drop):
            kind = str(statement.args.get("kind")).upper()
            told = ddl.drop_outcome(self.warehouse, statement, references)
            return Planned(f"DROP_{kind}", lambda _: self._drop(statement, references), statistics=told)
        if isinstance(statement, exp.Alter):
            kind = str(statement.args.get("kind")).upper()
            return Planned(f"ALTER_{kind}", lambda _: alter(self.warehouse, statement, references))
        if not isinstance(statement, exp.Create):
            raise unsupported(f"The statement {statement.key.upper()}")
        if str(statement.args.get("kind")).upper() == "SCHEMA":
            told = ddl.schema_outcome(self.warehouse, statement)
            work: Work = lambda job: ddl.create_schema(self.warehouse, statement, job.owner)  # noqa: E731
            return Planned("CREATE_SCHEMA", work, statistics=told)
        return self._plan_create(statement, references, types, values)

    def _plan_create(
        self, statement: exp.Create, references: References, types: Mapping[str, Field], values: Mapping[str, Any]
    ) -> Planned:
        made = ddl.read_definition(statement, references)
        if made.dataset == references.space.temporary:
            self.warehouse.keep_temporary(made.dataset)
        self.warehouse.catalog.dataset(made.dataset)
        prepared = None
        if made.query is not None:
            prepared = self.preparer.prepare(made.query.copy(), references.space, types, values)
            refuse_repeated(prepared)
        kind = _create_type(statement, made)
        target = self._reference(made.dataset, made.name)

        def work(job: Job) -> None:
            ddl.create(self.warehouse, made, prepared, values, job)
            job.destination = target

        statistics = {
            "ddlOperationPerformed": ddl.create_outcome(references.space.state, made),
            "ddlTargetTable": target,
        }
        if prepared is None:
            read = () if made.source is None else (self._reference(*made.source.key),)
            return Planned(kind, work, 0, read, made.fields, statistics)
        translation = prepared.translation
        size = 0 if made.is_view else read_bytes(self.warehouse, translation.sources, values)
        return Planned(kind, work, size, tuple(translation.sources.referenced), prepared.fields, statistics)

    def _plan_routine(self, statement: exp.Expression, references: References) -> Planned:
        query = {"defaultDataset": {"datasetId": references.space.default_dataset}}
        if isinstance(statement, exp.Drop):
            kind = str(statement.args.get("kind")).upper()
            node = (statement.args.get("tables") or [statement.this])[0]
            key = routine_name(self.warehouse, query, ".".join(part.name for part in node.parts))
            if_exists = bool(statement.args.get("exists"))
            references.space.require(DELETE_ROUTINE, key[0])
            refuse_governed(references.space.authorization.principal, self.warehouse.catalog.state.routines.get(key))
            is_there = key in self.warehouse.catalog.state.routines
            told = {"ddlOperationPerformed": "DROP" if is_there or not if_exists else "SKIP", **self._routine(*key)}
            drop: Work = lambda _: drop_routine(self.warehouse, key, if_exists=if_exists)  # noqa: E731
            return Planned(f"DROP_{kind}", drop, statistics=told)
        assert isinstance(statement, exp.Create)  # noqa: S101 (is_routine knows only these two)
        statistics = self._routine(*routine_name(self.warehouse, query, ".".join(
            part.name for part in statement.this.this.parts)))  # fmt: skip

        def work(job: Job) -> None:
            done = store_function(self.warehouse, query, statement, job.owner)
            job.statistics["query"]["ddlOperationPerformed"] = done

        return Planned("CREATE_FUNCTION", work, statistics=statistics)

    def _drop(self, statement: exp.Drop, references: References) -> None:
        ddl.drop(self.warehouse, statement, references)

    # -- what is told about a job

    def _publish(self, job: Job, planned: Planned) -> None:
        job.processed_bytes = planned.processed_bytes
        job.fields = (
            planned.target_fields if job.configuration.get("dryRun") and planned.target_fields else planned.fields
        )
        job.statistics["query"] = {
            "statementType": planned.statement_type,
            "totalBytesProcessed": str(planned.processed_bytes),
            "totalBytesBilled": str(billed(planned.processed_bytes, len(planned.referenced))),
            "cacheHit": False,
            "referencedTables": list(planned.referenced),
            "totalBytesProcessedAccuracy": "PRECISE",
            **({"schema": schema_json(job.fields)} if job.fields is not None else {}),
            **(planned.statistics or {}),
        }

    def _refuse_over_limit(self, job: Job, planned: Planned) -> None:
        limit = (job.configuration.get("query") or {}).get("maximumBytesBilled")
        needed = billed(planned.processed_bytes, len(planned.referenced))
        if limit is not None and needed > int(limit):
            message = f"Query exceeded limit for bytes billed: {limit}. {needed} or higher required."
            raise BigQueryError("bytesBilledLimitExceeded", message)

    def _reference(self, dataset: str, name: str) -> dict[str, str]:
        return {"projectId": self.warehouse.project, "datasetId": dataset, "tableId": name}

    def _routine(self, dataset: str, name: str) -> dict[str, Any]:
        place = {"projectId": self.warehouse.project, "datasetId": dataset, "routineId": name}
        return {"ddlTargetRoutine": place}


def _check_destination(query: Mapping[str, Any], name: str, prepared: Prepared) -> None:
    """Refuse options that contradict each other or the query, as BigQuery does before it runs anything."""
    is_appending = query.get("writeDisposition") == "WRITE_APPEND"
    is_partition = query.get("writeDisposition") == "WRITE_TRUNCATE" and "$" in name
    if query.get("schemaUpdateOptions") and not is_appending and not is_partition:
        raise BigQueryError(
            "invalid",
            "Schema update options should only be specified with WRITE_APPEND disposition, or with WRITE_TRUNCATE "
            "disposition on a table partition.",
        )
    refuse_repeated(prepared)
    field = (query.get("timePartitioning") or {}).get("field")
    if field and all(item.name.lower() != str(field).lower() for item in prepared.fields):
        raise BigQueryError("invalid", "The field specified for partitioning cannot be found in the schema.")


def refuse_repeated(prepared: Prepared) -> None:
    """A table's columns must have different names; only of a result are they told apart."""
    counts = Counter(label.lower() for label in prepared.translation.labels)
    repeated = ", ".join(name for name, count in counts.items() if count > 1)
    if repeated:
        raise invalid_query(
            "Duplicate column names in the result are not supported when a destination table is present. "
            f"Found duplicate(s): {repeated}"
        )


def _create_type(statement: exp.Create, made: ddl.Definition) -> str:
    """Give BigQuery's name of a CREATE statement's type."""
    if made.is_view:
        return "CREATE_MATERIALIZED_VIEW" if "materializedView" in made.resource else "CREATE_VIEW"
    clone = statement.args.get("clone")
    if clone is not None:
        is_snapshot = statement.meta.get("is_snapshot")
        return (
            "CREATE_SNAPSHOT_TABLE" if is_snapshot else f"CREATE_TABLE_{'COPY' if clone.args.get('copy') else 'CLONE'}"
        )
    return "CREATE_TABLE_AS_SELECT" if made.query is not None else "CREATE_TABLE"


def is_routine(statement: exp.Expression) -> bool:
    """Tell whether a statement makes or drops a routine."""
    kind = str(statement.args.get("kind")).upper()
    return isinstance(statement, exp.Create | exp.Drop) and kind in ("FUNCTION", "PROCEDURE", "TABLE FUNCTION")


def system_values(space: Namespace) -> dict[str, tuple[Field, Any]]:
    """Give the system variables that every statement has, by the names of their parameters."""
    found = {
        "project_id": space.project, "dataset_project_id": space.project, "dataset_id": space.default_dataset,
        "time_zone": "UTC", "location": space.location,
    }  # fmt: skip
    return {system_variable(name): (Field("v", "STRING"), value) for name, value in found.items()}


def require_text(query: Mapping[str, Any]) -> str:
    """Give a query's text; refuse an empty one."""
    text = str(query.get("query") or "")
    if not text.strip():
        raise invalid_query("Query text is empty.")
    return text
