"""Functions with a namespace: NET.*, HLL_COUNT.*, KLL_QUANTILES.*, KEYS.*, AEAD.*."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.namespaces import NAMESPACES
from athena_lab.emulator.sql.rules.calls import call
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.rules.texts import as_bytes

Arguments = list[exp.Expression]


def _listed(template: str, kind: str | None = None) -> Callable[[Arguments], exp.Expression]:
    """An aggregate: the values as a list (empty without rows) for a function."""
    return lambda given: raw(template, *given, kind=kind)


def _bytes_calls(name: str, decode: str = "{}") -> Callable[[Arguments], exp.Expression]:
    def make(given: Arguments) -> exp.Expression:
        inner = call(name, given[0], as_bytes(given[1]), as_bytes(given[2]))
        return raw(decode.format("{0}"), inner) if decode != "{}" else inner

    return make


_FUNCTIONS: dict[str, Callable[[Arguments], exp.Expression]] = {
    "HLL_COUNT.INIT": _listed("athena_hll_init(list(CAST({0} AS VARCHAR)), max(typeof({0})))"),
    "HLL_COUNT.MERGE": _listed("coalesce(athena_hll_extract(athena_hll_merge_partial(list({0}))), 0)"),
    "HLL_COUNT.MERGE_PARTIAL": _listed("athena_hll_merge_partial(list({0}))"),
    "HLL_COUNT.EXTRACT": _listed("coalesce(athena_hll_extract({0}), 0)"),
    "KLL_QUANTILES.INIT_INT64": _listed("athena_kll_init_integers(list(CAST({0} AS BIGINT)))"),
    "KLL_QUANTILES.INIT_FLOAT64": _listed("athena_kll_init(list(CAST({0} AS DOUBLE)))"),
    "KLL_QUANTILES.EXTRACT_INT64": _listed("athena_kll_extract_integers({0}, {1})", "ARRAY<INT64>"),
    "KLL_QUANTILES.EXTRACT_FLOAT64": _listed("athena_kll_extract({0}, {1})", "ARRAY<FLOAT64>"),
    "KLL_QUANTILES.EXTRACT_POINT_INT64": _listed("athena_kll_point_integer({0}, CAST({1} AS DOUBLE))", "INT64"),
    "KLL_QUANTILES.EXTRACT_POINT_FLOAT64": _listed("athena_kll_point({0}, CAST({1} AS DOUBLE))", "FLOAT64"),
    "KLL_QUANTILES.MERGE_PARTIAL": _listed("athena_kll_merge_partial(list({0}))"),
    "KLL_QUANTILES.MERGE_INT64": _listed(
        "athena_kll_extract_integers(athena_kll_merge_partial(list({0})), {1})", "ARRAY<INT64>"
    ),
    "KLL_QUANTILES.MERGE_FLOAT64": _listed(
        "athena_kll_extract(athena_kll_merge_partial(list({0})), {1})", "ARRAY<FLOAT64>"
    ),
    "KLL_QUANTILES.MERGE_POINT_INT64": _listed(
        "athena_kll_point_integer(athena_kll_merge_partial(list({0})), CAST({1} AS DOUBLE))", "INT64"
    ),
    "KLL_QUANTILES.MERGE_POINT_FLOAT64": _listed(
        "athena_kll_point(athena_kll_merge_partial(list({0})), CAST({1} AS DOUBLE))", "FLOAT64"
    ),
    "KEYS.NEW_KEYSET": _listed("athena_keys_new_keyset({0})"),
    "KEYS.ROTATE_KEYSET": _listed("athena_keys_rotate_keyset({0}, {1})"),
    "KEYS.ADD_KEY_FROM_RAW_BYTES": _listed("athena_keys_add_key_from_raw_bytes({0}, {1}, {2})"),
    "KEYS.KEYSET_LENGTH": _listed("athena_keys_keyset_length({0})"),
    "KEYS.KEYSET_TO_JSON": _listed("athena_keys_keyset_to_json({0})"),
    "KEYS.KEYSET_FROM_JSON": _listed("athena_keys_keyset_from_json({0})"),
    "AEAD.ENCRYPT": _bytes_calls("athena_aead_encrypt"),
    "AEAD.DECRYPT_BYTES": _bytes_calls("athena_aead_decrypt"),
    "AEAD.DECRYPT_STRING": _bytes_calls("athena_aead_decrypt", "decode({})"),
    "DETERMINISTIC_ENCRYPT": _bytes_calls("athena_deterministic_encrypt"),
    "DETERMINISTIC_DECRYPT_BYTES": _bytes_calls("athena_deterministic_decrypt"),
    "DETERMINISTIC_DECRYPT_STRING": _bytes_calls("athena_deterministic_decrypt", "decode({})"),
}
_NET = frozenset(
    ["IP_TO_STRING", "IP_FROM_STRING", "SAFE_IP_FROM_STRING", "IP_NET_MASK", "IP_TRUNC", "IPV4_FROM_INT64",
     "IPV4_TO_INT64", "HOST", "PUBLIC_SUFFIX", "REG_DOMAIN"]
)  # fmt: skip
_NET_NAMES = {exp.Host: "HOST", exp.RegDomain: "REG_DOMAIN"}
PLAIN = frozenset(name for name in _FUNCTIONS if "." not in name)


_GIVING_BYTES = ("ENCRYPT", "DECRYPT_BYTES", "_KEYSET", "_FROM_JSON", "_RAW_BYTES", "_PARTIAL", "INIT", "INIT_INT64")


def named(name: str, arguments: Arguments) -> exp.Expression:
    """Make the call of a function that has, or could have, a namespace."""
    maker = _FUNCTIONS.get(name.upper())
    if maker is None:
        raise unsupported(f"The function {name.upper()}")
    try:
        made = maker(arguments)
        if made.type is None and name.upper().endswith(_GIVING_BYTES):
            made.type = exp.DataType.build("BYTES", dialect="bigquery")
        return made
    except IndexError as error:
        raise invalid_query(f"No matching signature for function {name.upper()}") from error


def dotted(node: exp.Expression) -> exp.Expression | None:
    """NAMESPACE.FUNCTION(...)."""
    inner = node.expression
    if not isinstance(inner, exp.Anonymous) or inner.meta.get("is_ours"):
        return None
    space = node.this.name.upper()
    if space not in NAMESPACES:
        return None
    return named(f"{space}.{inner.name}", list(inner.expressions))


def net(node: exp.Expression) -> exp.Expression:
    """NET.*."""
    inner = node.this
    name = _NET_NAMES.get(type(inner)) or inner.name.upper()
    if name not in _NET:
        raise unsupported(f"The function NET.{name}")
    arguments = list(inner.expressions) if isinstance(inner, exp.Anonymous) else [inner.this]
    return call(f"athena_net_{name.lower()}", *arguments)


def keep_once(node: exp.Expression) -> None:
    """A WITH clause that makes keys or random values is computed once, however often it is read."""
    texts = (item.name for item in node.find_all(exp.Var, exp.Anonymous))
    if node.find(exp.Rand, exp.Uuid) or any("athena_keys_" in text or "athena_aead_encrypt" in text for text in texts):
        node.set("materialized", True)  # noqa: FBT003 (a value of the tree)


RULES = {exp.NetFunc: net, exp.CTE: keep_once}
