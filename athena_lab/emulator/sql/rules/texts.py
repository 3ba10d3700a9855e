"""Strings and bytes whose functions are Python's: normal forms, code points, base 32, positions, padding."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from athena_lab.emulator.sql.rules.calls import call, is_type
from athena_lab.emulator.sql.rules.raw import raw

_BINARIES = (exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB)


def is_bytes(node: exp.Expression | None) -> bool:
    """Tell whether a node is BYTES."""
    return is_type(node, *_BINARIES)


def as_bytes(node: exp.Expression) -> exp.Expression:
    """Give a STRING's bytes, BYTES as they are."""
    if node.type is None or is_type(node, exp.DType.UNKNOWN):
        return raw("CAST({0} AS BLOB)", node)
    return node.copy() if is_bytes(node) else raw("encode(CAST({0} AS VARCHAR))", node)


def normalize(node: exp.Expression) -> exp.Expression:
    """NORMALIZE and NORMALIZE_AND_CASEFOLD."""
    form = node.args.get("form")
    name = form.name.upper() if isinstance(form, exp.Expression) else "NFC"
    return call("athena_casefold" if node.args.get("is_casefold") else "athena_normalize", node.this, name)


def points(node: exp.Expression) -> exp.Expression:
    """TO_CODE_POINTS."""
    return call("athena_byte_values" if is_bytes(node.this) else "athena_code_points", node.this)


def fingerprint(node: exp.Expression) -> exp.Expression:
    """FARM_FINGERPRINT."""
    return call("athena_farm_fingerprint", as_bytes(node.expressions[0]))


def sha2(node: exp.Expression) -> exp.Expression:
    """SHA256 and SHA512 give BYTES."""
    length = node.args.get("length")
    if length is not None and length.name == "512":
        return call("athena_sha512", as_bytes(node.this))
    return raw("unhex(sha256({0}))", node.this)


def position(node: exp.Expression) -> exp.Expression | None:
    """INSTR with a position and an occurrence."""
    start, occurrence = node.args.get("position"), node.args.get("occurrence")
    if start is None and occurrence is None and not is_bytes(node.this):
        return None
    one = exp.Literal.number(1)
    name = "athena_instr_bytes" if is_bytes(node.this) else "athena_instr"
    return call(name, node.this, node.args["substr"], start or one, occurrence or one)


def regexp_position(node: exp.Expression) -> exp.Expression:
    """REGEXP_INSTR."""
    one, zero = exp.Literal.number(1), exp.Literal.number(0)
    name = "athena_regexp_instr_bytes" if is_bytes(node.this) else "athena_regexp_instr"
    return call(
        name, node.this, node.expression, node.args.get("position") or one,
        node.args.get("occurrence") or one, node.args.get("option") or zero,
    )  # fmt: skip


def pad(node: exp.Expression) -> exp.Expression | None:
    """LPAD and RPAD; of BYTES too."""
    side = "l" if node.args.get("is_left") else "r"
    fill = node.args.get("fill_pattern")
    if is_bytes(node.this):
        return call("athena_pad_bytes", node.this, node.expression, fill or raw("' '::BLOB"), side)
    return call("athena_pad", node.this, node.expression, fill or exp.Literal.string(" "), side)


def split(node: exp.Expression) -> exp.Expression | None:
    """SPLIT; of BYTES too, and nothing where an argument is NULL."""
    if is_bytes(node.this):
        return call("athena_split_bytes", node.this, node.expression)
    if is_type(node.expression, exp.DType.NULL) or isinstance(node.expression, exp.Null):
        return raw("CAST(NULL AS VARCHAR[])")
    return raw("CASE WHEN {1} IS NULL THEN NULL WHEN {0} = '' THEN [''] ELSE string_split({0}, {1}) END",
               node.this, node.expression)  # fmt: skip


def capitals(node: exp.Expression) -> exp.Expression:
    """INITCAP."""
    given = node.expression
    is_default = given is None or (isinstance(given, exp.Literal) and len(given.name) > 20)
    return call("athena_initcap_default", node.this) if is_default else call("athena_initcap", node.this, given)


def decimal(node: exp.Expression) -> exp.Expression:
    """PARSE_NUMERIC and PARSE_BIGNUMERIC."""
    if isinstance(node, exp.ParseBignumeric):
        return call("athena_big_parsed", node.this)
    return raw("CAST(athena_parse_decimal({0}, 9, 29) AS DECIMAL(38, 9))", node.this)


def upper(node: exp.Expression) -> exp.Expression | None:
    """UPPER, by Unicode's full mapping where the text is not ASCII."""
    if is_bytes(node.this):
        return call("athena_upper_bytes", node.this)
    return raw("CASE WHEN strlen({0}) = length({0}) THEN upper({0}) ELSE athena_upper({0}) END", node.this)


def character(node: exp.Expression) -> exp.Expression:
    """CHR."""
    return call("athena_chr", node.expressions[0])


def size(node: exp.Expression) -> exp.Expression:
    """BYTE_LENGTH."""
    if isinstance(node.this, exp.Null):
        return raw("CAST(NULL AS BIGINT)")
    return call("octet_length", as_bytes(node.this)) if is_bytes(node.this) else raw("strlen({0})", node.this)


def literal(node: exp.Expression) -> exp.Expression:
    """A literal of BYTES: a character for each byte (literals.py)."""
    return raw(f"'{''.join(f'{chr(92)}x{ord(byte):02X}' for byte in str(node.this))}'::BLOB", kind="BYTES")


def soundex(node: exp.Expression) -> exp.Expression:
    """SOUNDEX."""
    return call("athena_soundex", node.this)


def simple(name: str) -> Callable[[exp.Expression], exp.Expression]:
    """Make a rule that calls a function with the node's one argument."""

    def rule(node: exp.Expression) -> exp.Expression:
        return call(name, node.this)

    return rule


RULES = {
    exp.Normalize: normalize,
    exp.ToCodePoints: points,
    exp.CodePointsToString: simple("athena_from_code_points"),
    exp.CodePointsToBytes: simple("athena_from_byte_values"),
    exp.SafeConvertBytesToString: simple("athena_safe_text"),
    exp.FarmFingerprint: fingerprint,
    exp.SHA2Digest: sha2,
    exp.ToBase32: simple("athena_to_base32"),
    exp.FromBase32: simple("athena_from_base32"),
    exp.Soundex: soundex,
    exp.Chr: character,
    exp.ByteLength: size,
    exp.ByteString: literal,
    exp.StrPosition: position,
    exp.RegexpInstr: regexp_position,
    exp.Pad: pad,
    exp.Split: split,
    exp.Initcap: capitals,
    exp.ParseNumeric: decimal,
    exp.ParseBignumeric: decimal,
    exp.Upper: upper,
}
