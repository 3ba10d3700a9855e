"""Strings, bytes, JSON and casts by the examples of BigQuery's and googlesql's documentation (docs/*.md there)."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

pytestmark = pytest.mark.stack
# ruff: noqa: E501 (a table of SQL reads better so)
D, DT, T = datetime.date, datetime.datetime, datetime.time

ANSWERS = [
    # string_functions.md
    ("SUBSTR('apple', 0, 2), SUBSTR('apple', -10), SUBSTR(b'apple', 2, 2), SAFE.SUBSTR('foo', 0, -2)", ("ap", "apple", b"pp", None)),
    ("LEFT(b'banana', 3), SAFE.LEFT('x', -1), RIGHT('apple', 3), SAFE.RIGHT(b'x', -1)", (b"ban", None, "ple", None)),
    ("REPEAT(b'ab', 2), SAFE.REPEAT('a', -1), REVERSE(b'ab'), REPLACE(b'abab', b'b', b'c')", (b"abab", None, b"ba", b"acac")),
    ("TRIM(b'  a\\xE2 ', b' '), TRIM(' \\t a\\n'), LTRIM('**a', '*'), TRIM(b'xax', b'x')", (b"a\xe2", "a", "a", b"a")),
    ("CHR(0), CHR(97), CHR(0xF9B5), CHR(NULL)", ("", "a", "\uf9b5", None)),
    ("SOUNDEX('Ashcraft'), SOUNDEX('apple'), SOUNDEX('#1'), SOUNDEX(NULL)", ("A261", "a140", "", None)),
    ("INITCAP('Hello World-everyone!'), INITCAP('Apples1oranges2pears', '12'), INITCAP('tHisEisEaESentence', 'E')", ("Hello World-Everyone!", "Apples1Oranges2Pears", "ThisEIsEAESentence")),
    ("LPAD(b'abc', 5), LPAD('abc', 8, 'def'), RPAD(b'abc', 2), SAFE.RPAD('x', -1)", (b"  abc", "defdeabc", b"ab", None)),
    ("NORMALIZE('\\u2168', NFKC), NORMALIZE_AND_CASEFOLD('The Red Barn'), NORMALIZE_AND_CASEFOLD('Straße', NFC)", ("IX", "the red barn", "strasse")),
    ("REGEXP_INSTR('ab@cd-ef', '@[^-]*'), REGEXP_INSTR('a@cd-ef b@cd-ef', '@[^-]*', 1, 2), REGEXP_INSTR('a@cd-ef', '@[^-]*', 1, 1, 1)", (3, 10, 5)),
    ("REGEXP_EXTRACT(b'abc1', b'\\\\d'), REGEXP_CONTAINS(b'abc', b'^a'), REGEXP_EXTRACT_ALL(b'a1b2', b'\\\\d')", (b"1", True, [b"1", b"2"])),
    ("TRANSLATE('This is a cookie', 'sco', 'zku'), SAFE.TRANSLATE('a', 'aa', 'bc'), UPPER(b'ab'), ASCII(b'a')", ("Thiz iz a kuukie", None, b"AB", 97)),
    ("CONCAT('a', 1, DATE '2020-01-01', TRUE), CONCAT(b'a', b'\\x00'), SPLIT(b'', b'')", ("a12020-01-01true", b"a\x00", [b""])),
    ("r'\\d', rb'\\x', B'''a\nb''', b'é', '\\xe9'", ("\\d", b"\\x", b"a\nb", "é".encode(), "é")),
    (
        "CONTAINS_SUBSTR((23, 35), '35'), CONTAINS_SUBSTR(['ABC'], 'abc'), CONTAINS_SUBSTR(STRUCT('x', NULL), 'y'), CONTAINS_SUBSTR('\\u2168', 'IX'), CONTAINS_SUBSTR(JSON '{\"lang\": 1}', 'LANG', json_scope=>'JSON_KEYS')",
        (True, True, None, True, True),
    ),
    (
        "ARRAY_TO_STRING([b'a', b'b'], b'-'), (SELECT STRING_AGG(x) FROM UNNEST([b'a', b'b']) x), FORMAT('%p', JSON '{\"a\": 1}')",
        (b"a-b", b"a,b", '{"a":1}'),
    ),
    # net_functions.md
    ("NET.IP_TO_STRING(b'0123'), NET.IP_TRUNC(b'\\xAA\\xBB\\xCC\\xDD', 11), NET.IPV4_FROM_INT64(-1), NET.IPV4_TO_INT64(b'\\x00\\xAB\\xCD\\xEF')", ("48.49.50.51", b"\xaa\xa0\x00\x00", b"\xff\xff\xff\xff", 0xABCDEF)),
    # conversion_functions.md
    ("CAST('0x87a' AS INT64), CAST('-0x123' AS INT64), SAFE_CAST('1.5' AS INT64), SAFE_CAST('t' AS BOOL), CAST('TRUE' AS BOOL)", (2170, -291, None, None, True)),
    ("CAST(9999999999999999999999999999.999999999 AS NUMERIC), ARRAY<NUMERIC>[1.000000001]", (Decimal("9999999999999999999999999999.999999999"), [Decimal("1.000000001")])),
    ("CAST(INTERVAL 3 DAY AS STRING), CAST(CAST('1-2 3 4:5:6.789' AS INTERVAL) AS STRING), SAFE_CAST('1' AS INTERVAL)", ("0-0 3 0:0:0", "1-2 3 4:5:6.789", None)),
    ("CAST(TIMESTAMP '2020-01-01 00:00:00.12+00' AS STRING), STRING(TIMESTAMP '2008-12-25 15:30:00+00', 'Asia/Kolkata')", ("2020-01-01 00:00:00.120+00", "2008-12-25 21:00:00+05:30")),
    ("SAFE_CAST('24:00:00' AS TIME), SAFE_CAST('2006-01-02 01:02:03 UTC' AS DATETIME), SAFE_CAST('abcdef' AS STRING(3)), SAFE_CAST(123456 AS NUMERIC(5))", (None, None, None, None)),
    ("CAST(STRUCT(1 AS x, 2 AS y) AS STRUCT<a STRING, b INT64>), ARRAY<STRUCT<a INT64, b STRING>>[(1, 'x')]", ({"a": "1", "b": 2}, [{"a": 1, "b": "x"}])),
    # format-elements.md
    ("CAST(DATE '2018-01-30' AS STRING FORMAT 'DD-MON-YYYY'), CAST(DATE '2018-01-30' AS STRING FORMAT 'Day'), CAST(TIMESTAMP '2018-01-30 23:05:07.5+00' AS STRING FORMAT 'HH12:MI:SS.FF2 P.M. TZH:TZM' AT TIME ZONE 'Asia/Kolkata')", ("30-JAN-2018", "Tuesday", "04:35:07.50 A.M. +05:30")),
    ("CAST('18-12-03' AS DATE FORMAT 'YY-MM-DD'), CAST('03:30 P.M.' AS TIME FORMAT 'HH:MI P.M.'), CAST('01:05:07.16' AS TIME FORMAT 'HH24:MI:SS.FF1'), SAFE_CAST('x' AS DATE FORMAT 'YYYY')", (D(2018, 12, 3), T(15, 30), T(1, 5, 7, 200000), None)),
    ("CAST(1234.56 AS STRING FORMAT '$999,999.999'), CAST(-12 AS STRING FORMAT '9999PR'), CAST(43981 AS STRING FORMAT 'XXXX'), CAST(1234567.89 AS STRING FORMAT '$999,999.999')", ("   $1,234.560", "  <12>", " ABCD", " $###,###.###")),
    ("CAST(b'\\x00\\x01\\x02' AS STRING FORMAT 'HEX'), CAST('Hello' AS BYTES FORMAT 'ASCII'), CAST('AAEC' AS BYTES FORMAT 'BASE64')", ("000102", b"Hello", b"\x00\x01\x02")),
    # json_functions.md
    ("TO_JSON_STRING(JSON_OBJECT('foo', 10, 'bar', TRUE)), TO_JSON_STRING(JSON_OBJECT(['a', 'b'], [10, NULL])), TO_JSON_STRING(JSON_ARRAY(10, ['x'], NULL))", ('{"bar":true,"foo":10}', '{"a":10,"b":null}', '[10,["x"],null]')),
    ("JSON_VALUE(JSON '{\"a.b\": {\"c\": [1]}}', '$.\"a.b\".c[0]'), JSON_EXTRACT_SCALAR('{\"fruits\": [\"apple\"]}', '$[fruits][0]'), JSON_VALUE('}}', '$')", ("1", "apple", None)),
    ("TO_JSON_STRING(JSON_STRIP_NULLS(JSON '{\"a\": {\"b\": {\"c\": null}}, \"d\": [null], \"e\": [], \"f\": 1}', include_arrays=>FALSE, remove_empty=>TRUE)), TO_JSON_STRING(JSON_ARRAY_INSERT(JSON '{\"a\": null}', '$.a[2]', 10))", ('{"d":[null],"e":[],"f":1}', '{"a":[null,null,10]}')),
    ("TO_JSON_STRING(PARSE_JSON('{\"id\": 922337203685477580701}', wide_number_mode=>'round')), TO_JSON_STRING(TO_JSON(9007199254740993, stringify_wide_numbers=>TRUE)), TO_JSON_STRING(JSON '{\"k\": 1, \"k\": 2}')", ('{"id":9.223372036854776e+20}', '"9007199254740993"', '{"k":1}')),
    ("SAFE.STRING(JSON '4325'), JSON_TYPE((JSON '{\"a\": [{\"b\": null}]}').a[0]['b']), ARRAY_LENGTH(JSON_FLATTEN(JSON '[[[1, 2], 3], 4]'))", (None, "null", 4)),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "expected"), ANSWERS, ids=range(len(ANSWERS)))
def test_expression_gives_the_documented_answer(
    bq: bigquery.Client, columns: str, expected: tuple[object, ...]
) -> None:
    (row,) = bq.query_and_wait(f"SELECT {columns}")
    assert tuple(row.values()) == expected


FAULTS = [
    ("CAST('1.5' AS INT64)", "Bad int64 value: 1.5"),
    ("CAST('yes' AS BOOL)", "Bad bool value: yes"),
    ("CAST('a' AS FLOAT64)", "Bad double value: a"),
    ("LEFT('x', -1)", "cannot be negative"),
    ("RPAD('x', 1000000000)", "exceeds max allowed output size"),
    ("CAST(DATE '2020-01-01' AS STRING FORMAT 'HH')", "DATE does not support 'HH'"),
    ("TRANSLATE('a', 'aa', 'bc')", "Duplicate"),
    ("STRING(JSON '1')", "not a string"),
    ("CHR(0xD800)", "Invalid codepoint"),
    ("EXTRACT(HOUR FROM CURRENT_TIMESTAMP() AT TIME ZONE '')", "Invalid empty time zone"),
    ("TEXT_ANALYZE('a', analyzer_options=>'{\"token_filters\": []}')", "option token_filters of LOG_ANALYZER"),
]


@pytest.mark.parametrize(("expression", "message"), FAULTS, ids=range(len(FAULTS)))
def test_what_bigquery_refuses_is_refused(bq: bigquery.Client, expression: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        bq.query_and_wait(f"SELECT {expression}", retry=None, job_retry=None)


def test_texts_are_split_at_the_documented_delimiters_and_phrases_kept(bq: bigquery.Client) -> None:
    text = """SELECT TEXT_ANALYZE('a~b ÉA%20x%3By'), TEXT_ANALYZE('a-b.c', analyzer_options=>'{"delimiters":["."]}'),
      SEARCH('x foo-bar', '`foo bar`'), SEARCH('bar foo', '`foo bar`'), SEARCH('bar foo', 'foo bar')"""
    row = next(iter(bq.query_and_wait(text)))
    assert tuple(row.values()) == (["a~b", "Éa", "x", "y"], ["a-b", "c"], True, False, True)
