"""Classes follow columns from table to table, and a promotion that would lose one is refused with the path."""

import pytest

from athena_lab.errors import InvalidError
from athena_lab.jobs.class_rules import class_faults, tables_of

PII = "projects/athena/locations/eu/dataPolicies/pii"
NONE = frozenset()


def faults(columns, made=(), **tables):
    classes = {
        f"ds.{name}": {column: frozenset(found) for column, found in item.items()} for name, item in tables.items()
    }
    return [fault.message for fault in class_faults(columns, classes, made)]


def test_a_table_that_lacks_the_class_of_its_source_is_refused_with_the_path():
    (message,) = faults({"ds.out.who": ["ds.people.mail"]}, people={"mail": [PII]}, out={"who": []})
    assert "'ds.out.who': it would hold the class 'pii' without having it, by ds.people.mail → ds.out.who" in message
    assert "Put that policy on the column 'who'" in message


def test_a_table_that_has_the_class_already_is_fine():
    assert faults({"ds.out.who": ["ds.people.mail"]}, people={"mail": [PII]}, out={"WHO": [PII, "more"]}) == []


def test_a_table_that_is_made_anew_loses_its_class():
    (message,) = faults({"ds.out.a": ["ds.t.a"]}, ["ds.out"], t={"a": [PII]}, out={"a": [PII]})
    assert "made anew, it loses its policies" in message


def test_a_table_that_is_not_there_yet_has_no_class():
    (message,) = faults({"ds.out.a": ["ds.t.a"]}, ["ds.out"], t={"a": [PII]})
    assert "Make 'ds.out' first" in message


def test_the_class_goes_through_every_table_of_the_job():
    columns = {"ds.mid.b": ["ds.t.a"], "ds.mid.c": ["ds.t.c"], "ds.out.d": ["ds.mid.b"], "ds.out.e": ["ds.mid.c"]}
    found = faults(columns, t={"a": [PII], "c": []})
    assert [message.split(", by ")[1].split(". ")[0] for message in found] == [
        "ds.t.a → ds.mid.b",
        "ds.t.a → ds.mid.b → ds.out.d",
    ]


def test_columns_without_known_names_may_hold_any_class():
    assert len(faults({"ds.out.*": ["ds.t.*"]}, t={"a": [PII], "b": []}, out={"a": [PII], "b": []})) == 1
    assert faults({"ds.out.*": ["ds.t.*"]}, t={"a": [PII], "b": []}, out={"a": [PII], "b": [PII]}) == []
    through = {"ds.mid.*": ["ds.t.a"], "ds.out.x": ["ds.mid.x"]}
    assert [message.split("'")[1] for message in faults(through, t={"a": [PII]})] == ["ds.mid.*", "ds.out.x"]


def test_a_circle_of_tables_ends():
    assert len(faults({"ds.a.x": ["ds.b.x"], "ds.b.x": ["ds.a.x", "ds.t.x"]}, t={"x": [PII]})) == 2


def test_what_has_no_class_or_no_source_is_free():
    assert faults({"ds.out.a": ["ds.t.a"], "ds.out.n": []}, ["ds.out"], t={"a": []}) == []
    assert tables_of({"ds.out.a": ["ds.t.a", "shop.ds.u.*"]}) == ["ds.out", "ds.t", "shop.ds.u"]


COPY = "%%athena made --into ds.out --mode append\nSELECT mail AS who FROM ds.people"


def test_a_promotion_is_refused_until_the_destination_has_the_class(workbench):
    workbench.warehouse.tables = {"ds.people": {"mail": frozenset([PII])}, "ds.out": {"who": NONE}}
    promoter, request = workbench.open(), workbench.request(COPY)
    (fault,) = promoter.check(request, workbench.ann).faults
    assert "ds.people.mail → ds.out.who" in fault.message
    with pytest.raises(InvalidError, match=r"ds\.people\.mail → ds\.out\.who"):
        promoter.promote(request, workbench.ann, workbench.audit)
    workbench.warehouse.tables["ds.out"] = {"who": frozenset([PII])}
    workbench.clock.move(30)
    assert promoter.promote(request, workbench.ann, workbench.audit).version == 1
    spec = workbench.opened[-1].repository.spec("daily_sales")
    assert spec.columns == {"ds.out.who": ("ds.people.mail",)}, "the path is kept with the version"


def test_a_warehouse_that_cannot_tell_the_classes_refuses(workbench):
    workbench.warehouse.is_away = True
    (fault,) = workbench.open().check(workbench.request(COPY), workbench.ann).faults
    assert "Cannot tell which classes the columns have" in fault.message
