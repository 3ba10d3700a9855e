"""JSON: what is extracted from a STRING is a STRING, from a JSON a JSON; values written and converted."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules.calls import INTEGERS, call, cast, is_type
from athena_lab.emulator.sql.rules.raw import flag, raw, text_of

_BINARIES = {exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB}


def _is_json(node: exp.Expression) -> bool:
    return is_type(node, exp.DType.JSON) or isinstance(node, exp.ParseJSON)


def _text(node: exp.Expression) -> exp.Expression:
    return raw("CAST({0} AS VARCHAR)", node)


def extract(node: exp.Expression) -> exp.Expression | None:
    """JSON_QUERY and JSON_EXTRACT; a text that is no JSON gives NULL."""
    if node.meta.get("is_final"):
        return None
    if _is_lax(node.expression):
        return _lax_extract(node)
    made = node.copy()
    made.meta["is_final"] = True
    if _is_json(node.this):
        return None
    made.set("this", raw("CASE WHEN json_valid({0}) THEN {0} END", node.this))
    return call("nullif", cast(made, "VARCHAR"), "null")


def _is_lax(path: exp.Expression | None) -> bool:
    return isinstance(path, exp.Literal) and path.is_string and path.name.strip().lower().startswith("lax")


def _strict_path(node: exp.Expression) -> exp.Expression | None:
    path: exp.Expression | None = node.expression
    if _is_lax(path):
        raise invalid_query("JSONPaths in lax mode are only for JSON_QUERY of a JSON")
    return path


def _lax_extract(node: exp.Expression) -> exp.Expression:
    """JSON_QUERY of a JSON by a path in a lax mode gives an array of all that it leads to."""
    if not _is_json(node.this):
        raise invalid_query("JSONPaths in lax mode are only for JSON_QUERY of a JSON")
    return raw("CAST({0} AS JSON)", call("athena_json_lax", _text(node.this), node.expression), kind="JSON")


def extract_array(node: exp.Expression) -> exp.Expression | None:
    """JSON_QUERY_ARRAY and JSON_EXTRACT_ARRAY; NULL for what is no array."""
    path = _strict_path(node)
    found = raw("CASE WHEN json_valid(CAST({0} AS VARCHAR)) THEN {0} END", node.this)
    if path is not None and not (isinstance(path, exp.JSONPath) and len(path.expressions) == 1):
        found = raw("json_extract({0}, {1})", found, path if not isinstance(path, exp.JSONPath) else _path(path))
    kind = "JSON[]" if _is_json(node.this) else "VARCHAR[]"
    return raw("CASE WHEN json_type({0}) = 'ARRAY' THEN CAST(json_extract({0}, '$[*]') AS " + kind + ") END", found)


def _path(path: exp.JSONPath) -> exp.Expression:
    return exp.Var(this=str(path.sql("duckdb")))


def values(node: exp.Expression) -> exp.Expression:
    """JSON_VALUE_ARRAY and JSON_EXTRACT_STRING_ARRAY: NULL unless all elements are scalars."""
    path = _strict_path(node)
    found = raw("CASE WHEN json_valid(CAST({0} AS VARCHAR)) THEN {0} END", node.this)
    if path is not None and not (isinstance(path, exp.JSONPath) and len(path.expressions) == 1):
        found = raw("json_extract({0}, {1})", found, path if not isinstance(path, exp.JSONPath) else _path(path))
    return call("athena_json_values", found)


def kind(node: exp.Expression) -> exp.Expression:
    """JSON_TYPE."""
    return call("athena_json_type", call("json_type", node.this))


Rule = Callable[[exp.Expression], exp.Expression]


def _strict(name: str) -> Rule:
    """BOOL, INT64 and FLOAT64 of a JSON fail on another kind of value."""
    return lambda node: raw(f"athena_json_{name}(CAST({{0}} AS JSON))", node.this)


def _lax(name: str) -> Rule:
    """LAX_* give NULL for what they cannot convert."""
    return lambda node: call(f"athena_lax_{name}", _text(node.this))


def scalar(node: exp.Expression) -> exp.Expression | None:
    """JSON_VALUE and JSON_EXTRACT_SCALAR; a text that is no JSON gives NULL."""
    _strict_path(node)
    if _is_json(node.this) or node.meta.get("is_final"):
        return None
    made = node.copy()
    made.meta["is_final"] = True
    made.set("this", raw("CASE WHEN json_valid({0}) THEN {0} END", node.this))
    return made


def array(node: exp.Expression) -> exp.Expression:
    """JSON_ARRAY."""
    parts = " || ',' || ".join(str(json_of(item).sql("duckdb")) for item in node.expressions) or "''"
    return raw("CAST({0} AS JSON)", exp.Var(this=f"('[' || {parts} || ']')"), kind="JSON")


def float64(node: exp.Expression) -> exp.Expression:
    """FLOAT64 of a JSON; with 'exact' a number that FLOAT64 has not is an error."""
    mode = node.expression.expression if isinstance(node.expression, exp.Kwarg) else node.expression
    if mode is None:
        return raw("athena_json_float64(CAST({0} AS JSON))", node.this)
    return raw("athena_json_float64_by(CAST({0} AS JSON), {1})", node.this, mode, kind="FLOAT64")


def object_(node: exp.Expression) -> exp.Expression:
    """JSON_OBJECT of keys and values, or of an array of each; of a key that comes twice the first counts."""
    pairs = [(item.this, item.expression) for item in node.expressions]
    if len(pairs) == 1 and is_type(pairs[0][0], exp.DType.ARRAY):
        keys_, values_ = pairs[0]
        made = call(
            "athena_json_object", keys_, exp.Var(this=f"coalesce({written(text_of(values_), values_.type)}, 'null')")
        )
        return raw("CAST({0} AS JSON)", made, kind="JSON")
    members = []
    for key, value in pairs:
        name = raw("CASE WHEN {0} IS NULL THEN athena_error('JSON_OBJECT: a key is NULL') ELSE to_json({0}) END", key)
        members.append(f"CAST({name.this} AS VARCHAR) || ':' || {json_of(value).this}")
    text = " || ',' || ".join(members) or "''"
    return raw("CAST(athena_json_canonical('{{' || {0} || '}}') AS JSON)", exp.Var(this=text), kind="JSON")


def flat(node: exp.Expression) -> exp.Expression:
    """JSON_FLATTEN: the elements of nested arrays."""
    return raw("CAST(athena_json_flatten({0}) AS JSON[])", _text(node), kind="ARRAY<JSON>")


def lax_float(node: exp.Expression) -> exp.Expression:
    """LAX_FLOAT64; a NaN that Python gives would be a NULL."""
    text = "CASE WHEN lower(json_extract_string({0}, '$')) = 'nan' THEN CAST('NaN' AS DOUBLE) ELSE {1} END"
    return raw(text, node.this, call("athena_lax_float64", _text(node.this)))


def keys(node: exp.Expression) -> exp.Expression:
    """JSON_KEYS."""
    depth, mode = node.expression, node.args.get("mode")
    if isinstance(depth, exp.Kwarg):
        depth, mode = (depth.expression, mode) if depth.this.name.lower() == "max_depth" else (None, depth)
    depth = raw("coalesce({0}, 1000)", depth) if depth is not None else exp.Literal.number(1000)
    mode = flag(mode, default=True) if mode is not None else exp.Literal.string("strict")
    return call("athena_json_keys", _text(node.this), depth, mode)


def strip_nulls(node: exp.Expression) -> exp.Expression:
    """JSON_STRIP_NULLS."""
    include, empty = node.args.get("include_arrays"), node.args.get("remove_empty")
    path = node.expression if node.expression is not None else exp.Literal.string("$")
    flags = (flag(include, default=True), flag(empty, default=False))
    made = call("athena_json_strip_nulls", _text(node.this), path, *flags)
    return raw("CAST({0} AS JSON)", made, kind="JSON")


def set_(node: exp.Expression) -> exp.Expression:
    """JSON_SET."""
    pairs = [item for item in node.expressions if not isinstance(item, exp.Kwarg)]
    create = next((item for item in node.expressions if isinstance(item, exp.Kwarg)), None)
    made = _text(node.this)
    for path, value in _pairs(pairs, "JSON_SET"):
        made = _unless_null(path, made, call("athena_json_set", made, path, json_of(value), flag(create, default=True)))
    return raw("CAST({0} AS JSON)", made, kind="JSON")


def _pairs(given: list[exp.Expression], name: str) -> list[tuple[exp.Expression, exp.Expression]]:
    if not given or len(given) % 2:
        raise invalid_query(f"Call to function {name} is missing repeated arguments.")
    return list(zip(given[::2], given[1::2], strict=True))


def _unless_null(path: exp.Expression, before: exp.Expression, made: exp.Expression) -> exp.Expression:
    """A path that is NULL changes nothing."""
    if isinstance(path, exp.Literal):
        return made
    return raw("CASE WHEN {0} IS NULL THEN {1} ELSE {2} END", path, before, made)


def remove(node: exp.Expression) -> exp.Expression:
    """JSON_REMOVE."""
    made = _text(node.this)
    for path in node.expressions:
        made = _unless_null(path, made, call("athena_json_remove", made, path))
    return raw("CAST({0} AS JSON)", made, kind="JSON")


def append(node: exp.Expression) -> exp.Expression:
    """JSON_ARRAY_APPEND and JSON_ARRAY_INSERT."""
    pairs = [item for item in node.expressions if not isinstance(item, exp.Kwarg)]
    each = next((item for item in node.expressions if isinstance(item, exp.Kwarg)), None)
    made = _text(node.this)
    at_end = exp.Var(this="true" if isinstance(node, exp.JSONArrayAppend) else "false")
    for path, value in _pairs(pairs, node.sql_name()):
        changed = call("athena_json_append", made, path, json_of(value), at_end, flag(each, default=True))
        made = _unless_null(path, made, changed)
    return raw("CAST({0} AS JSON)", made, kind="JSON")


def json_of(value: exp.Expression, *, is_string: bool = False) -> exp.Expression:
    """Give a value's JSON text; all of a STRUCT's fields, also those without a name, are in TO_JSON_STRING's."""
    return exp.Var(this=f"coalesce({written(text_of(value), value.type, is_string=is_string)}, 'null')")


def written(text: str, kind: exp.DataType | None, *, is_string: bool = False) -> str:
    """Give the DuckDB expression of a value's JSON text, NULL for NULL; `is_string` for TO_JSON_STRING."""
    if kind is None or kind.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        return f"CAST(to_json({text}) AS VARCHAR)"
    if kind.this == exp.DType.ARRAY:
        inner = written("e", kind.expressions[0] if kind.expressions else None, is_string=is_string)
        made = f"array_to_string(list_transform({text}, lambda e: coalesce({inner}, 'null')), ',')"
        return f"'[' || {made} || ']'"
    if kind.this == exp.DType.STRUCT and kind.expressions:
        return _object(text, kind.expressions, is_string=is_string)
    return _scalar(text, kind, is_string=is_string)


def _object(text: str, parts: list[exp.Expression], *, is_string: bool) -> str:
    """Write a STRUCT, which is evaluated once; a field without a name has the key "", and JSON has a key once."""
    members: dict[str, str] = {}
    for index, part in enumerate(parts, start=1):
        is_named = isinstance(part, exp.ColumnDef)
        kind = part.args.get("kind") if is_named else part
        name = part.name if is_named and part.name != f"_field_{index}" else ""
        value = written(f"struct_extract_at(s, {index})", kind, is_string=is_string)
        key = name.replace("\\", "\\\\").replace('"', '\\"').replace("'", "''")
        members.setdefault(f"{index} {name}" if is_string else name, f"'\"{key}\":' || coalesce({value}, 'null')")
    joined = " || ',' || ".join(members[name] for name in (members if is_string else sorted(members)))
    made = f"CASE WHEN s IS NULL THEN NULL ELSE '{{' || {joined} || '}}' END"
    return f"list_extract(list_transform([{text}], lambda s: {made}), 1)"


def _scalar(text: str, kind: exp.DataType, *, is_string: bool) -> str:
    if kind.this in (exp.DType.DOUBLE, exp.DType.FLOAT):
        plain = f"athena_float_text({text})"
        special = f"'\"' || athena_json_special({text}) || '\"'"
        return f"CASE WHEN {text} IS NULL THEN NULL WHEN isfinite({text}) THEN {plain} ELSE {special} END"
    if kind.this == exp.DType.BIGDECIMAL:
        return f"athena_big_text({text})"
    if kind.this == exp.DType.DECIMAL:
        return f"athena_numeric_text({text})"
    if kind.this in INTEGERS and is_string:
        plain = f"CAST({text} AS VARCHAR)"
        exact = f"{text} BETWEEN -9007199254740992 AND 9007199254740992"
        return f"CASE WHEN {exact} THEN {plain} ELSE '\"' || {plain} || '\"' END"
    if kind.this in (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMP, exp.DType.DATETIME):
        zone = "Z" if kind.this == exp.DType.TIMESTAMPTZ else ""
        local = f"timezone('UTC', {text})" if zone else text
        return f"'\"' || replace(CAST({local} AS VARCHAR), ' ', 'T') || '{zone}\"'"
    if kind.this in _BINARIES:
        return f"'\"' || base64({text}) || '\"'"
    if kind.this in (exp.DType.DATE, exp.DType.TIME):
        return f"'\"' || CAST({text} AS VARCHAR) || '\"'"
    if kind.this == exp.DType.JSON:
        return f"CAST({text} AS VARCHAR)"
    return f"CAST(to_json({text}) AS VARCHAR)"


def write(node: exp.Expression) -> exp.Expression:
    """TO_JSON and TO_JSON_STRING."""
    options = node.args.get("options")
    if options is not None and not (isinstance(options, exp.Boolean) and not options.this):
        if isinstance(options, exp.Kwarg) and options.this.name.lower() == "stringify_wide_numbers":
            return raw("CAST({0} AS JSON)", exp.Var(this=_wide(node, options.expression)), kind="JSON")
        if isinstance(options, exp.Kwarg):
            raise unsupported(f"TO_JSON with {options.this.name}")
        return raw("athena_json_pretty({0})", exp.Var(this=_whole(node)))
    if node.args.get("to_json"):
        return raw("CAST({0} AS JSON)", exp.Var(this=_whole(node)), kind="JSON")
    return exp.Paren(this=exp.Var(this=_whole(node)))


def _wide(node: exp.Expression, options: exp.Expression) -> str:
    """TO_JSON with stringify_wide_numbers: whole numbers that FLOAT64 has not are texts."""
    if not isinstance(options, exp.Boolean):
        raise unsupported("TO_JSON with stringify_wide_numbers that is not a constant")
    made = written(text_of(node.this), node.this.type, is_string=bool(options.this))
    return f"coalesce({made}, 'null')"


def _whole(node: exp.Expression) -> str:
    made = written(text_of(node.this), node.this.type, is_string=not node.args.get("to_json"))
    return f"coalesce({made}, 'null')"


def parse(node: exp.Expression) -> exp.Expression:
    """PARSE_JSON, and the literal JSON '...'."""
    mode = node.expression.expression if isinstance(node.expression, exp.Kwarg) else node.expression
    if mode is None:
        return raw("CAST(athena_json_canonical({0}) AS JSON)", node.this, kind="JSON")
    return raw("CAST(athena_json_rounded({0}, {1}) AS JSON)", node.this, mode, kind="JSON")


def _each(name: str, element: str) -> Callable[[list[exp.Expression]], exp.Expression]:
    """BOOL_ARRAY, LAX_INT64_ARRAY and their kind: a function of each element; NULL (lax) or an error for no array."""
    strict = "athena_error('The provided JSON input is not an array')" if not name.startswith("athena_lax") else "NULL"
    value = "CAST(e AS VARCHAR)" if name.startswith("athena_lax") else "e"
    text = (
        "CASE WHEN json_type({0}) = 'ARRAY' THEN list_transform(CAST(json_extract({0}, '$[*]') AS JSON[]), "
        f"lambda e: {name}({value})) WHEN {{0}} IS NOT NULL THEN {strict} END"
    )
    return lambda given: raw(text, given[0], kind=f"ARRAY<{element}>")


ARRAYS = {
    "BOOL_ARRAY": _each("athena_json_bool", "BOOL"),
    "INT64_ARRAY": _each("athena_json_int64", "INT64"),
    "FLOAT64_ARRAY": _each("athena_json_float64", "FLOAT64"),
    "STRING_ARRAY": _each("athena_json_string", "STRING"),
    "LAX_BOOL_ARRAY": _each("athena_lax_bool", "BOOL"),
    "LAX_INT64_ARRAY": _each("athena_lax_int64", "INT64"),
    "LAX_FLOAT64_ARRAY": _each("athena_lax_float64", "FLOAT64"),
    "LAX_STRING_ARRAY": _each("athena_lax_string", "STRING"),
    "JSON_CONTAINS": lambda given: call("athena_json_contains", _text(given[0]), _text(given[1])),
}
"""Calls that the parser knows by no type."""

RULES = {
    exp.JSONExtractScalar: scalar,
    exp.JSONArray: array,
    exp.JSONObject: object_,
    exp.JSONExtract: extract,
    exp.JSONExtractArray: extract_array,
    exp.JSONValueArray: values,
    exp.JSONType: kind,
    exp.JSONBool: _strict("bool"),
    exp.Int64: _strict("int64"),
    exp.Float64: float64,
    exp.LaxBool: _lax("bool"),
    exp.LaxInt64: _lax("int64"),
    exp.LaxFloat64: lax_float,
    exp.LaxString: _lax("string"),
    exp.JSONKeysAtDepth: keys,
    exp.JSONStripNulls: strip_nulls,
    exp.JSONSet: set_,
    exp.JSONRemove: remove,
    exp.JSONArrayAppend: append,
    exp.JSONArrayInsert: append,
    exp.JSONFormat: write,
    exp.ParseJSON: parse,
}
