"""RANGE_SESSIONIZE: every row of a table with the range of the session that its own range belongs to.

A NULL range has no session, but nothing begins one after it in its partition: recorded so in BigQuery.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.built_in_tables import names_of, put_source, text_of

_NEW = {"MEETS": ">", "OVERLAPS": ">="}
"""When a range begins a session: its start against the latest end before it."""
_QUERY = """
SELECT * EXCEPT (athena_new, athena_session), ATHENA_SESSION_RANGE({r},
  IF(LOGICAL_OR({r} IS NOT NULL AND RANGE_START({r}) IS NULL) OVER (PARTITION BY {of} athena_session), NULL,
     MIN(RANGE_START({r})) OVER (PARTITION BY {of} athena_session)),
  IF(LOGICAL_OR({r} IS NOT NULL AND RANGE_END({r}) IS NULL) OVER (PARTITION BY {of} athena_session), NULL,
     MAX(RANGE_END({r})) OVER (PARTITION BY {of} athena_session))) AS session_range
FROM (
  SELECT *, SUM(athena_new) OVER (PARTITION BY {of} TRUE ORDER BY RANGE_START({r}) NULLS FIRST) AS athena_session
  FROM (
    SELECT *, CASE
      WHEN COUNT(*) OVER {before} = 0 THEN 1
      WHEN LOGICAL_OR(RANGE_END({r}) IS NULL) OVER {before} OR RANGE_START({r}) IS NULL THEN 0
      WHEN RANGE_START({r}) {new} MAX(RANGE_END({r})) OVER {before} THEN 1
      ELSE 0 END AS athena_new
    FROM athena_source))
"""
_BEFORE = (
    "(PARTITION BY {of} TRUE ORDER BY RANGE_START({r}) NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
)


def sessionize(given: list[exp.Expression]) -> exp.Query:
    """Give the query that a call stands for: (table, range column, partitioning columns, mode)."""
    if len(given) not in (3, 4):
        raise invalid_query("Number of arguments does not match for table function RANGE_SESSIONIZE")
    mode = text_of(given[3]).upper() if len(given) == 4 else "MEETS"
    if mode not in _NEW:
        raise invalid_query(f'Could not cast literal "{mode}" to type RANGE_SESSIONIZE_MODE')
    column = exp.to_identifier(text_of(given[1]), quoted=True).sql("bigquery")
    names = [exp.to_identifier(name, quoted=True).sql("bigquery") for name in names_of(given[2])]
    of = "".join(f"{name}, " for name in names)
    before = _BEFORE.format(of=of, r=column)
    query = sqlglot.parse_one(_QUERY.format(of=of, r=column, before=before, new=_NEW[mode]), read="bigquery")
    return put_source(query, given[0])
