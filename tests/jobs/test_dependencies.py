"""Who writes what a job reads, circles, and what is wrong with waiting."""

import pytest

from athena_lab.gateway_api.terms import After, AfterMode, Schedule, Tables
from athena_lab.jobs.dependencies import (
    JobGraph,
    JobNode,
    after_faults,
    cycle_fault,
    own_name,
    own_tables,
    schedule_in_words,
    table_faults,
    warnings_of,
)

DAILY = Schedule(cron="0 6 * * *", timezone="Europe/London")


def job(name, reads="", writes="", awaits="", mode=AfterMode.UPDATES, **fields):
    given = {"reads": reads, "writes": writes, "awaited": awaits}
    tables = {key: tuple(f"ds.{table}" for table in text.split()) for key, text in given.items()}
    return JobNode(name, name.title(), "ann", mode=mode if awaits else AfterMode.TIME, **tables, **fields)


def test_the_writer_of_a_table_read_is_upstream_and_its_reader_downstream():
    graph = JobGraph([job("a", writes="x"), job("b", reads="x y", awaits="x")])
    up = {(edge.source, edge.table, edge.is_awaited) for edge in graph.upstream(graph.job("b"))}
    assert up == {("a", "ds.x", True), (None, "ds.y", False)}
    assert [(edge.target, edge.table) for edge in graph.downstream(graph.job("a"))] == [("b", "ds.x")]


def test_a_table_read_by_wildcard_has_the_writers_of_every_table_it_names():
    graph = JobGraph([job("a", writes="events_1"), job("b", writes="events_2 other"), job("c", reads="events_*")])
    assert {edge.source for edge in graph.upstream(graph.job("c"))} == {"a", "b"}
    assert [edge.target for edge in graph.downstream(graph.job("a"))] == ["c"]


def test_own_writes_are_no_dependency():
    graph = JobGraph([job("a", reads="x", writes="x")])
    assert graph.upstream(graph.job("a")) == graph.downstream(graph.job("a")) == []
    assert graph.cycle_of(graph.job("a")) == ()


def test_a_jobs_next_version_takes_the_place_of_its_former_one():
    graph = JobGraph([job("a", writes="x"), job("b", reads="x")])
    later = graph.with_job(job("a", writes="z"))
    assert later.writers_of("ds.x") == []
    assert [one.id for one in later.writers_of("ds.z")] == ["a"]
    assert [one.id for one in graph.writers_of("ds.x")] == ["a"], "the graph itself stays as it was"
    assert graph.without_job("b").readers_of("ds.x") == []


def test_a_circle_of_data_is_told_and_one_of_waiting_is_refused():
    a, b, c = job("a", "z", "x", "z"), job("b", "x", "y", "x"), job("c", "y", "z")
    graph = JobGraph([a, b, c])
    assert graph.cycle_of(a) == ("a", "b", "c", "a")
    assert cycle_fault(a, graph) is None, "c runs by its schedule, so nothing goes round by itself"
    assert "A → B → C → A" in warnings_of(a, graph)[-1].message
    waiting = graph.with_job(job("c", "y", "z", "y"))
    assert "A → B → C → A would wait in a circle" in cycle_fault(a, waiting).message


def test_a_job_may_not_wait_for_what_it_writes_itself():
    own = job("a", "x", "x", "x")
    assert "writes 'ds.x' itself" in cycle_fault(own, JobGraph([own])).message


def test_tables_without_writer_and_with_several_are_told():
    waits = job("w", "x y", awaits="x y")
    graph = JobGraph([job("a", writes="x"), job("b", writes="x"), waits])
    several, none = (fault.message for fault in warnings_of(waits, graph))
    assert "Several jobs write 'ds.x': 'A' (ann), 'B' (ann)" in several
    assert "No job writes 'ds.y'" in none


@pytest.mark.parametrize(
    ("after", "schedule", "words"),
    [
        (After(tables=("ds.x",)), DAILY, "its schedule alone waits for none"),
        (After(mode=AfterMode.UPDATES, tables=("ds.x",)), DAILY, "Remove the cron"),
        (After(mode=AfterMode.TIME_AND_UPDATES, tables=("ds.x",)), Schedule(), "Add a cron"),
        (After(mode=AfterMode.UPDATES), Schedule(), "no table is named"),
        (After(mode=AfterMode.UPDATES, tables=("ds.q",)), Schedule(), "does not read 'ds.q', and no job writes it"),
        (After(mode=AfterMode.UPDATES, tables=("ds.x_*",)), Schedule(), "'ds.x_*': that is no name of one"),
        (After(mode=AfterMode.UPDATES, tables=("x",)), Schedule(), "'x': that is no name of one"),
        (After(mode=AfterMode.UPDATES, tables=("ds.x",), deadline_s=59), Schedule(), "deadline of 59 s"),
        (After(mode=AfterMode.UPDATES, tables=("ds.x",), deadline_s=10**9), Schedule(), "deadline of 1000000000 s"),
        (After(mode=AfterMode.UPDATES, tables=("ds.x",) * 51), Schedule(), "51 tables are too many"),
    ],
)
def test_what_cannot_be_waited_for_is_refused(after, schedule, words):
    (fault,) = after_faults(after, schedule, ["ds.x"], JobGraph(()))
    assert words in fault.message
    assert fault.field.startswith("after.")


def test_a_table_that_is_not_read_may_be_awaited_when_a_job_writes_it():
    after = After(mode=AfterMode.UPDATES, tables=("ds.done",))
    assert after_faults(after, Schedule(), [], JobGraph([job("a", writes="done")])) == []


@pytest.mark.parametrize("name", ["", "x", "a.b.c.d", "ds.x y", "ds.`x`", "ds.x_*", "ds.$x'", "ds./etc", "ds..x", "*"])
def test_a_written_table_needs_a_name_of_one(name):
    (fault,) = table_faults(Tables(writes=(name,)))
    assert fault.field == "tables.writes"


def test_tables_are_named_one_way():
    tables = Tables(reads=("athena.ds.x", "ds.x", "`shop.ds.y`", "ds.e_*"), writes=("ds.größe",))
    assert own_tables(tables, "athena") == Tables(reads=("ds.x", "shop.ds.y", "ds.e_*"), writes=("ds.größe",))
    assert table_faults(own_tables(tables, "athena")) == []
    assert own_name("athena.x", "athena") == "athena.x", "a dataset may bear the project's name"


def test_a_schedule_is_put_in_words():
    both = job("b", awaits="x y", mode=AfterMode.TIME_AND_UPDATES, schedule=DAILY)
    words = [schedule_in_words(one) for one in (job("a"), job("a", schedule=DAILY), job("a", awaits="x"), both)]
    assert words == ["by hand", "0 6 * * * Europe/London", "after ds.x", "0 6 * * * Europe/London after ds.x, ds.y"]
