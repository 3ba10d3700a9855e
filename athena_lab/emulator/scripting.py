"""Scripts: statements in order, with variables, blocks, loops, exceptions, procedures and transactions.

Each statement is a child job of the script; conditions and assignments are evaluated without one.
https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from athena_lab.emulator.faults import BigQueryError, engine_fault, invalid_query, unsupported
from athena_lab.emulator.jobs import Job, new_id, run, stopped
from athena_lab.emulator.parameters import read_parameters
from athena_lab.emulator.procedures import run_system_procedure
from athena_lab.emulator.routines import find_procedure, store_procedure
from athena_lab.emulator.script_values import Frame, Statements, Variable, evaluate, fetch, type_named
from athena_lab.emulator.sql.script import (
    Block,
    For,
    If,
    Loop,
    Node,
    Procedure,
    Statement,
    is_temporary_function,
    padded,
    parse_script,
    place_in_script,
    split_top,
)
from athena_lab.emulator.sql.variables import system_variable

_MAX_DEPTH = 50
_MAX_STATEMENTS = 100_000


class _BreakError(Exception):
    """BREAK, LEAVE (with the loop's label, or none)."""


class _ContinueError(Exception):
    """CONTINUE, ITERATE."""


class _ReturnError(Exception):
    """RETURN."""


class Script:
    """A run of one script."""

    def __init__(self, queries: Statements, job: Job) -> None:
        self.queries, self.job = queries, job
        self.query: Mapping[str, Any] = job.configuration.get("query") or {}
        self.types, self.values = read_parameters(self.query)
        self.frame = Frame()
        self.functions: list[str] = []
        self.text = str(self.query.get("query") or "")
        self.depth = 0
        self.count = 0
        self.processed = 0
        self.fault: BigQueryError | None = None
        self.temporary = self.query_temporary()

    def query_temporary(self) -> str:
        """Name the hidden dataset of the script's temporary tables."""
        return self.job.session or f"_script{self.job.id[-32:]}"

    def run(self, nodes: Sequence[Node]) -> None:
        """Run the script; its result is its last statement's."""
        self.publish()
        transactions = self.queries.warehouse.catalog
        try:
            self._all(nodes)
        except _ReturnError:
            pass
        except (_BreakError, _ContinueError) as error:
            raise invalid_query("BREAK and CONTINUE are only allowed inside of a loop") from error
        finally:
            if self.job.session is None:  # in a session it goes on (sessions.py)
                transactions.rollback(is_open_only=True)
            if self.job.session is None and self.temporary in transactions.state.datasets:
                transactions.drop_dataset(self.temporary, with_contents=True)
            self.publish()
        if self.job.children:
            last = self.job.children[-1]
            self.job.result, self.job.fields, self.job.destination = last.result, last.fields, last.destination
            self.job.affected_rows = last.affected_rows

    def publish(self) -> None:
        """Tell what is known about the script so far."""
        found: dict[str, Any] = {
            "statementType": "SCRIPT", "totalBytesProcessed": str(self.processed),
            "totalBytesBilled": str(self._billed()), "cacheHit": False, "referencedTables": [],
            "totalBytesProcessedAccuracy": "PRECISE",
        }  # fmt: skip
        self.job.processed_bytes = self.processed
        self.job.statistics["query"] = found
        self.job.statistics["numChildJobs"] = str(len(self.job.children))

    def _billed(self) -> int:
        return sum(int(child.statistics.get("query", {}).get("totalBytesBilled", 0)) for child in self.job.children)

    # -- nodes

    def _all(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._one(node)

    def _one(self, node: Node) -> None:
        self.count += 1
        if self.job.is_cancelled:
            raise stopped()
        if self.count > _MAX_STATEMENTS:
            raise BigQueryError("invalidQuery", f"The script runs more than {_MAX_STATEMENTS} statements.", "query")
        if isinstance(node, Statement):
            self._statement(node)
        elif isinstance(node, Block):
            self._block(node)
        elif isinstance(node, If):
            self._if(node)
        elif isinstance(node, Loop):
            self._loop(node)
        elif isinstance(node, For):
            self._for(node)
        else:
            self._make_procedure(node)

    def _block(self, node: Block) -> None:
        outer = self.frame
        self.frame = Frame(outer)
        try:
            self._all(node.body)
        except (BigQueryError, duckdb.Error) as error:
            fault = error if isinstance(error, BigQueryError) else engine_fault(error)
            if node.handler is None or fault.reason == "stopped":
                raise
            self.frame = Frame(outer)
            self._set_error(fault)
            before, self.fault = self.fault, fault
            self._all(node.handler)
            self.fault = before
        finally:
            self.frame = outer

    def _set_error(self, fault: BigQueryError) -> None:
        for name, value in (
            ("error.message", fault.message), ("error.statement_text", self._last_text()),
            ("error.formatted_stack_trace", "At top level"),
        ):  # fmt: skip
            self.frame.system[system_variable(name)] = Variable(type_named("STRING"), value)

    def _last_text(self) -> str:
        return str(self.job.children[-1].configuration["query"]["query"]) if self.job.children else ""

    def _if(self, node: If) -> None:
        for condition, body in node.branches:
            if self._is_true(condition):
                return self._all(body)
        return self._all(node.otherwise)

    def _loop(self, node: Loop) -> None:
        while node.condition is None or self._is_true(node.condition):
            self.count += 1
            if not self._body(node.body, node.label) or (node.until is not None and self._is_true(node.until)):
                return

    def _for(self, node: For) -> None:
        item, rows = fetch(self, node.query)
        for row in rows:
            self.frame = Frame(self.frame)
            self.frame.declare(node.variable, Variable(item, row))
            try:
                if not self._body(node.body, node.label):
                    return
            finally:
                assert self.frame.outer is not None  # noqa: S101 (made four lines above)
                self.frame = self.frame.outer

    def _body(self, body: Sequence[Node], label: str) -> bool:
        """Run a loop's body once; tell whether the loop goes on."""
        frame = self.frame
        try:
            self._all(body)
        except _BreakError as error:
            if error.args[0] not in ("", label):
                raise
            return False
        except _ContinueError as error:
            if error.args[0] not in ("", label):
                raise
        finally:
            self.frame = frame
        return True

    def _is_true(self, condition: Statement) -> bool:
        return evaluate(self, condition.text, condition.start, type_named("BOOL")).value is True

    # -- statements

    def _statement(self, node: Statement) -> None:
        special: dict[str, Callable[[Statement], None]] = {
            "DECLARE": self._declare, "SET": self._set, "CALL": self._call, "EXECUTE": self._execute,
            "RAISE": self._raise, "BEGIN": self._transaction, "COMMIT": self._transaction,
            "ROLLBACK": self._transaction, "ASSERT": self._assert,
        }  # fmt: skip
        if node.word in special:
            special[node.word](node)
        elif node.word in ("BREAK", "LEAVE"):
            raise _BreakError(_label(node))
        elif node.word in ("CONTINUE", "ITERATE"):
            raise _ContinueError(_label(node))
        elif node.word == "RETURN":
            raise _ReturnError
        elif is_temporary_function(node):
            self.functions.append(node.text)
        else:
            self.child(node.text, node.start)

    def child(self, text: str, start: int, given: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None) -> Job:
        """Run a statement as a child job; raise its fault."""
        types, values = given or (self.types, self.values)
        types = {**types, **self.frame.types()}
        values = {**values, **self.frame.values()}
        query = {key: value for key, value in self.query.items() if key not in ("query", "queryParameters")}
        child = Job(new_id(), self.job.owner, {"query": {**query, "query": text}}, parent=self.job)
        child.statistics["scriptStatistics"] = place_in_script(text, start, self.text)
        self.queries.warehouse.jobs.adopt(child)
        whole = self.with_functions(padded(text, start, self.text))
        run(child, lambda job: self.queries.run_text(job, whole, (types, values), self.temporary))
        if child.fault is not None:
            raise child.fault
        self.processed += child.processed_bytes
        if child.affected_rows is not None:
            self.frame.root().system[system_variable("row_count")] = Variable(type_named("INT64"), child.affected_rows)
        return child

    def with_functions(self, text: str) -> str:
        """Put the script's temporary functions before a statement."""
        return "".join(f"{item};\n" for item in self.functions) + text

    def _declare(self, node: Statement) -> None:
        found = re.match(r"(?is)DECLARE\s+((?:`?\w+`?\s*,\s*)*`?\w+`?)\s*(.*)$", node.text)
        if found is None:
            raise invalid_query(f"Syntax error: {node.text[:60]}")
        names = [name.strip().strip("`") for name in found[1].split(",")]
        kind, default = _kind_and_default(found[2])
        at = node.start + len(node.text) - len(default)
        value = Variable(type_named(kind), None) if kind else None
        if default:
            value = evaluate(self, default, at, value.item if value is not None else None)
        if value is None:
            raise invalid_query("Syntax error: DECLARE needs a type or a default")
        for name in names:
            if name.lower() in self.frame.own:
                raise invalid_query(f"Variable '{name}' redeclaration is not allowed.")
            self.frame.declare(name, Variable(value.item, value.value))

    def _set(self, node: Statement) -> None:
        target, _, expression = node.text[3:].partition("=")
        at = node.start + len(node.text) - len(expression)
        target = target.strip()
        if target.startswith("@@"):
            if target.lower() not in ("@@time_zone", "@@query_label", "@@dataset_id", "@@dataset_project_id"):
                raise unsupported(f"SET {target}")
            raise unsupported(f"SET {target}")
        if not target.startswith("("):
            variable = self.frame.find(target)
            variable.value = evaluate(self, expression, at, variable.item).value
            return
        names = [name.strip() for name in target.strip("() \n").split(",")]
        made = evaluate(self, f"STRUCT{expression.strip()}" if _is_tuple(expression) else expression, at, None)
        if len(made.item.fields) != len(names):
            raise invalid_query(f"Number of variables does not match the number of values: {len(names)} variables")
        for name, part in zip(names, made.item.fields, strict=True):
            variable = self.frame.find(name)
            variable.value = None if made.value is None else made.value[part.name]

    def _assert(self, node: Statement) -> None:
        pieces = split_top(node.text[6:], ("AS",))
        if evaluate(self, pieces[0][1], node.start + 6, type_named("BOOL")).value is not True:
            said = evaluate(self, pieces[1][1], node.start, type_named("STRING")).value if len(pieces) > 1 else None
            raise invalid_query(str(said) if said is not None else "Assertion failed")

    def _raise(self, node: Statement) -> None:
        message = re.match(r"(?is)RAISE\s+USING\s+MESSAGE\s*=\s*(.*)$", node.text)
        if message is not None:
            raise invalid_query(str(evaluate(self, message[1], node.start, type_named("STRING")).value))
        if self.fault is None:
            raise invalid_query("Cannot re-raise: there is no active exception.")
        raise self.fault

    def _transaction(self, node: Statement) -> None:
        catalog = self.queries.warehouse.catalog
        {"BEGIN": catalog.begin, "COMMIT": catalog.commit, "ROLLBACK": catalog.rollback}[node.word]()

    def _execute(self, node: Statement) -> None:
        found = re.match(r"(?is)EXECUTE\s+IMMEDIATE\s+(.*)$", node.text)
        if found is None:
            raise invalid_query(f"Syntax error: {node.text[:60]}")
        pieces = dict(split_top(found[1], ("INTO", "USING")))
        text = evaluate(self, pieces[""], node.start, type_named("STRING")).value
        if text is None:
            raise invalid_query("SQL statement text cannot be NULL in EXECUTE IMMEDIATE")
        child = self.child(str(text), 0, self._using(pieces.get("USING", ""), node.start))
        names = [name.strip() for name in pieces["INTO"].split(",")] if "INTO" in pieces else []
        if not names:
            return
        if child.result is None or child.result.rows > 1:
            raise invalid_query("EXECUTE IMMEDIATE with INTO must give at most one row")
        row = list(child.result.table().to_pylist()[0].values()) if child.result.rows else [None] * len(names)
        for name, value in zip(names, row, strict=True):
            self.frame.find(name).value = value

    def _using(self, text: str, start: int) -> tuple[dict[str, Any], dict[str, Any]]:
        types: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for index, (_, piece) in enumerate(split_top(text, (",",)) if text else ()):
            parts = split_top(piece, ("AS",))
            made = evaluate(self, parts[0][1], start, None)
            name = parts[1][1].strip().lower() if len(parts) > 1 else f"p{index}"
            types[name], values[name] = made.item, made.bound()
        return types, values

    # -- procedures

    def _make_procedure(self, node: Procedure) -> None:
        store_procedure(self.queries.warehouse, self.query, node, self.job.owner)

    def _call(self, node: Statement) -> None:
        found = re.match(r"(?is)CALL\s+([^(]+)\((.*)\)\s*$", node.text)
        if found is None:
            raise invalid_query(f"Syntax error: {node.text[:60]}")
        if run_system_procedure(self, found[1], found[2], node.start):
            return
        procedure = find_procedure(self.queries.warehouse, self.query, found[1].strip(), self.job.owner)
        given = [text for _, text in split_top(found[2], (",",))] if found[2].strip() else []
        if len(given) != len(procedure.arguments):
            raise invalid_query(f"Number of arguments does not match for procedure {procedure.name}")
        if self.depth >= _MAX_DEPTH:
            raise invalid_query("Maximum call stack depth exceeded: a procedure calls itself too deeply.")
        inside, outs = Frame(system=self.frame.root().system), []
        for argument, text in zip(procedure.arguments, given, strict=True):
            value = Variable(argument.item, None)
            if argument.mode != "OUT":
                value = evaluate(self, text, node.start, argument.item)
            inside.declare(argument.name, Variable(argument.item, value.value))
            if argument.mode != "IN":
                outs.append((self.frame.find(text.strip()), argument.name))
        self._inside(procedure.body, inside)
        for variable, name in outs:
            variable.value = inside.find(name).value

    def _inside(self, body: str, frame: Frame) -> None:
        outer = (self.frame, self.text)
        self.frame, self.text, self.depth = frame, body, self.depth + 1
        try:
            self._all(parse_script(body))
        except _ReturnError:
            pass
        finally:
            (self.frame, self.text), self.depth = outer, self.depth - 1


def _label(node: Statement) -> str:
    return node.text.upper().partition(" ")[2].strip()


def _is_tuple(expression: str) -> bool:
    text = expression.strip()
    return text.startswith("(") and not re.match(r"(?is)\(\s*SELECT\b", text)


def _kind_and_default(text: str) -> tuple[str, str]:
    """Split "INT64 DEFAULT 5" into the type and the default, each perhaps empty."""
    pieces = dict(split_top(text, ("DEFAULT",)))
    return pieces.get("", "").strip(), pieces.get("DEFAULT", "").strip()
