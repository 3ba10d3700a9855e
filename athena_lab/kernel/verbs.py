"""The verbs of the line magic: `%athena tables`, `describe`, `cost`, `promote`, `rehearse`, `config`, `help`."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from athena_lab.errors import Fault, InvalidError
from athena_lab.kernel.arguments import USAGE
from athena_lab.kernel.session import Session
from athena_lab.warehouse.catalog import describe_table, list_tables
from athena_lab.warehouse.estimate import CURRENCY, cost_of, format_bytes

HELP = f"""\
{USAGE}

%athena tables [TEXT]      tables whose name or description holds the text
%athena describe TABLE     a table's columns
%athena cost               what this kernel's queries have read so far
%athena promote [FILE]     schedule this notebook, or with --cell the present cell and what it needs
%athena rehearse [FILE]    run it once on a worker as it would run then, its writes in a scratch dataset
%athena config             where this kernel is connected
%athena help               this text"""


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of text under headings, shown as a table."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""

    def __repr__(self) -> str:
        lines = [self.headings, *self.rows]
        widths = [max(len(row[index]) for row in lines) for index in range(len(self.headings))]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in lines
        ]
        return "\n".join([*([self.title] if self.title else []), *table])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.headings)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def run_verb(session: Session, line: str) -> Listing | None:
    """Do what the line says; raises InvalidError for a verb that does not exist."""
    verb, *words = line.split() or ["help"]
    do = _VERBS.get(verb)
    if do is None:
        raise InvalidError([Fault("verb", f"Cannot do '%athena {verb}': there is no such verb. Use one of:\n{HELP}")])
    return do(session, words)


def _tables(session: Session, words: Sequence[str]) -> Listing:
    wanted = " ".join(words).lower()
    rows = [
        (
            f"{table.dataset}.{table.table}",
            "" if table.rows is None else f"{table.rows:,}",
            "" if table.size_bytes is None else format_bytes(table.size_bytes),
            table.description,
        )
        for table in list_tables(session.warehouse).tables
    ]
    kept = tuple(row for row in rows if wanted in f"{row[0]} {row[3]}".lower())
    return Listing(("table", "rows", "size", "description"), kept)


def _describe(session: Session, words: Sequence[str]) -> Listing:
    if len(words) != 1:
        raise InvalidError([Fault("table", "Cannot describe: name one table. Write %athena describe DATASET.TABLE.")])
    table = describe_table(session.warehouse, words[0].strip("`"))
    rows = tuple((column.name, column.type, column.mode, column.description) for column in table.columns)
    return Listing(("column", "type", "mode", "description"), rows, table.description)


def _cost(session: Session, _: Sequence[str]) -> Listing:
    total = session.bytes_processed
    row = (f"{session.queries:,}", format_bytes(total), f"{cost_of(total):.5f} {CURRENCY}")
    return Listing(("queries", "read", "list price"), (row,))


def _config(session: Session, _: Sequence[str]) -> Listing:
    client, limit = session.warehouse, session.settings.max_bytes
    rows = (
        ("gateway", session.settings.gateway_url or ""),
        ("warehouse", client.endpoint),
        ("project", client.project),
        ("location", client.location or ""),
        ("bytes allowed a query", "no limit" if limit is None else format_bytes(limit)),
    )
    return Listing(("setting", "value"), rows)


def _promote(session: Session, words: Sequence[str]) -> None:
    # Here and not above: only this verb needs what reads notebooks and locks environments.
    from athena_lab.kernel.promotion import promote  # noqa: PLC0415 (above)

    print(promote(session, words))


def _rehearse(session: Session, words: Sequence[str]) -> None:
    # Here and not above: as in _promote.
    from athena_lab.kernel.promotion import rehearse  # noqa: PLC0415 (above)

    print(rehearse(session, words, lambda line: print(line, flush=True)))


def _help(_: Session, __: Sequence[str]) -> None:
    print(HELP)


_VERBS: dict[str, Callable[[Session, Sequence[str]], Listing | None]] = {
    "tables": _tables,
    "describe": _describe,
    "cost": _cost,
    "promote": _promote,
    "rehearse": _rehearse,
    "config": _config,
    "help": _help,
}
