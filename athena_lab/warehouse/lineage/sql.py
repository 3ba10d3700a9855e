"""Lineage of GoogleSQL: scripts of several statements, followed in order."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from athena_lab.warehouse.lineage.constant_sql import texts_of
from athena_lab.warehouse.lineage.model import Findings, Lineage
from athena_lab.warehouse.lineage.relation import NOWHERE, Origin, Relation, join, merge
from athena_lab.warehouse.lineage.script import Kind, Step, Word, steps_of, words_of
from athena_lab.warehouse.lineage.statements import Statements
from athena_lab.warehouse.lineage.tables import Setting, Tables

_MAX_DEPTH = 8
_UNFIT = (SqlglotError, RecursionError, AttributeError, IndexError, KeyError, TypeError)
"""What a broken statement raises while it is parsed, or while a tree of a shape that nobody expects is followed."""
_TABLE_WORDS = r"(?:(?:EXTERNAL|SNAPSHOT|MATERIALIZED)\s+)?(?:TABLE|VIEW)"
_PARTITIONED_LOAD = re.compile(
    r"LOAD\s+DATA\s+(?:INTO|OVERWRITE)\s+(?!TEMP)(?P<rest>\S+)\s+(?:\([^()]*\)\s*)?PARTITIONS\b", re.IGNORECASE
)
_CHANGE = re.compile(rf"(?:ALTER|DROP)\s+{_TABLE_WORDS}\s+(?:IF\s+EXISTS\s+)?(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_TABLE_ARGUMENT = re.compile(r"((?:[(,]|=>)\s*)TABLE\s+((?:`[^`]*`|[\w.$-])+)", re.IGNORECASE)
_NAME = r"(?:`[^`]*`|[\w$-])+(?:\s*\.\s*(?:`[^`]*`|[\w$-])+)*"
_COPY = re.compile(
    rf"CREATE\s+(?:OR\s+REPLACE\s+)?(?:SNAPSHOT\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?({_NAME})"
    rf"\s+(?:CLONE|COPY)\s+({_NAME})",
    re.IGNORECASE,
)
"""What stands after it (options, a moment in time) changes nothing here, and the parser does not know all of it."""
_QUIET = re.compile(
    r"""(?:CREATE|DROP|ALTER)\s+(?:OR\s+REPLACE\s+)?
    (?:ALL\s+ROW|ROW|SEARCH|VECTOR|SCHEMA|MODEL|CAPACITY|RESERVATION|ASSIGNMENT|FUNCTION|PROCEDURE|ORGANIZATION
      |PROJECT|BI_CAPACITY|TABLE\s+FUNCTION|DATA_POLICY|CONNECTION)\b
    |(?:GRANT|REVOKE|COMMIT|ROLLBACK|BEGIN|RAISE)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def lineage_of_sql(
    sql: str, *, schema: Mapping[str, Collection[str]] | None = None, projects: Collection[str] = ()
) -> Lineage:
    """Follow a script; `schema` gives the columns of tables, `projects` those named without project."""
    findings = Findings()
    follow_script(sql, Setting(projects=projects, schema=schema or {}), findings)
    return findings.lineage()


def follow_script(sql: str, setting: Setting, findings: Findings) -> Script:
    """Follow a script and add to what was found; the script tells its last query's columns."""
    script = Script(setting, findings)
    script.follow(sql)
    return script


class Script:
    """Follows a script's steps: its variables, temporary tables and procedures are remembered."""

    def __init__(self, setting: Setting, findings: Findings) -> None:
        self.findings = findings
        self.tables = Tables(setting, findings)
        self.statements = Statements(self.tables)
        self.texts: dict[str, frozenset[str] | None] = {}
        self.procedures: dict[str, list[Step]] = {}
        self._depth = 0

    @property
    def answer(self) -> Relation | None:
        """The columns of the last query."""
        return self.statements.answer

    def follow(self, sql: str) -> None:
        """Follow every step of a script."""
        if self.findings.sightings is not None:
            self.findings.sightings.scripts.append(sql)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self.findings.doubt(sql)
        else:
            for step in steps_of(sql):
                if step.procedure:
                    self.procedures.setdefault(step.procedure, []).append(replace(step, procedure=""))
                else:
                    self._step(step)
        self._depth -= 1

    def _step(self, step: Step) -> None:
        try:
            if step.kind is Kind.STATEMENT:
                self._statement(step.text)
            elif step.kind is Kind.EXECUTE:
                self._execute(step)
            elif step.kind is Kind.CALL:
                self._call(step)
            elif step.kind is Kind.FOR:
                self._loop(step)
            else:
                self._value(step)
        except _UNFIT:
            self.findings.doubt(f"{step.text} (it does not parse)")

    def _statement(self, text: str) -> None:
        self.findings.statement = text
        copy = _COPY.match(text)
        if copy is not None:
            text = f"CREATE TABLE {copy[1]} CLONE {copy[2]}"
        if text.upper().startswith("ASSERT"):
            text = f"SELECT {words_text(text, 1, until='AS')}"
        load = _PARTITIONED_LOAD.match(text)
        if load is not None:  # the parser does not know its partitions
            self._changed(load["rest"])
            return
        change = _CHANGE.match(text)
        for item in _parse(text):
            if not isinstance(item, exp.Command):
                self.statements.follow(item)
            elif change is not None:
                self._changed(change["rest"])
            elif not _QUIET.match(text):
                self.findings.doubt(text)

    def _changed(self, rest: str) -> None:
        """Note a table that is altered or dropped in a way that the parser does not know."""
        name = re.match(r"(?:`[^`]*`|[\w.$-])+", rest)
        found = _parse(f"DROP TABLE {name.group()}") if name else []
        for item in found:
            self.statements.follow(item)

    def _value(self, step: Step) -> None:
        """Follow a condition, or what a variable is set to."""
        self.findings.statement = step.text
        if not step.text:
            self._bind(step, NOWHERE, None)
            return
        item = _only(f"SELECT ({step.text})").expressions[0].this
        origin = self.statements.queries.origin(item, None)
        self._bind(
            step, origin, texts_of(item, self.texts) if len(step.names) == 1 or step.kind is Kind.DECLARE else None
        )

        if step.kind is Kind.SET and step.names == ("@@dataset_id",):
            texts = self.texts["@@dataset_id"]
            default = min(texts) if texts is not None and len(texts) == 1 else None
            self.tables.setting = replace(self.tables.setting, default_dataset=default)

    def _loop(self, step: Step) -> None:
        self.findings.statement = step.text
        relation = self.statements.queries.relation(_only(step.text))
        self._bind(step, relation.whole(), None)

    def _bind(self, step: Step, origin: Origin, texts: frozenset[str] | None) -> None:
        variables = self.statements.queries.variables
        for name in (one.strip("`").lower() for one in step.names):
            if step.is_sure and self._depth == 1:
                self.texts[name], variables[name] = texts, origin
            else:
                before = self.texts.get(name)
                self.texts[name] = before | texts if before is not None and texts is not None else None
                variables[name] = merge(variables[name], origin) if name in variables else origin

    def _execute(self, step: Step) -> None:
        """Follow dynamic SQL where its text is known; its variables receive what its query gives."""
        words = words_of(step.text)
        ends = [word.start for word in words if word.key in ("INTO", "USING") and _depth_at(words, word.start) == 0]
        item = _only(f"SELECT ({step.text[: ends[0]] if ends else step.text})").expressions[0].this
        origin = self.statements.queries.origin(item, None)
        texts = texts_of(item, self.texts)
        if texts is None:
            self.findings.doubt(f"EXECUTE IMMEDIATE {step.text}")
            return
        self.statements.answer = None
        for text in sorted(texts):
            self.follow(text)
        answer = self.answer
        received = answer.whole() if answer is not None else origin
        after = [word.key for word in words if ends and word.start >= ends[0]]
        names = after[1 : after.index("USING") if "USING" in after else None] if after[:1] == ["INTO"] else []
        for name in names:
            self.statements.queries.variables[name.lower()] = join([received])
            self.texts[name.lower()] = None

    def _call(self, step: Step) -> None:
        """Follow a procedure of this script; what another does is not known."""
        name = step.text.split("(")[0].replace("`", "").strip()
        body = self.procedures.get(name)
        if body is None or self._depth > _MAX_DEPTH:
            self.findings.doubt(f"CALL {step.text}")
            return
        self._depth += 1
        for one in body:
            self._step(one)
        self._depth -= 1


def words_text(text: str, first: int, *, until: str) -> str:
    """Give the text from its word `first` up to the word `until`, if that is there outside parentheses."""
    words = words_of(text)
    ends = [word.start for word in words if word.key == until and _depth_at(words, word.start) == 0]
    return text[words[first].start : ends[-1] if ends else len(text)]


def _depth_at(words: list[Word], position: int) -> int:
    before = [word.text for word in words if word.start < position]
    return before.count("(") - before.count(")")


def _only(text: str) -> exp.Expression:
    items = _parse(text)
    if len(items) != 1:
        raise ParseError(f"one expression was expected: {text}")
    return items[0]


def _parse(text: str) -> list[exp.Expression]:
    try:
        return [item for item in sqlglot.parse(text, read="bigquery") if item is not None]
    except SqlglotError:
        again = _TABLE_ARGUMENT.sub(r"\1(SELECT * FROM \2)", text)
        if again == text:
            raise
        return [item for item in sqlglot.parse(again, read="bigquery") if item is not None]
