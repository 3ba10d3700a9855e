"""NET.*: addresses and hosts."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_SECOND_LEVEL = frozenset(
    {"ac", "co", "com", "edu", "gov", "net", "org", "ne", "or", "gob", "nom", "mil", "ltd", "plc"}
)


def to_text(address: bytes) -> str:
    """NET.IP_TO_STRING."""
    if len(address) not in (4, 16):
        raise ValueError("NET.IP_TO_STRING: the argument must have 4 or 16 bytes")
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped is not None else str(found)


def from_text(text: str) -> bytes:
    """NET.IP_FROM_STRING."""
    try:
        return ipaddress.ip_address(text).packed
    except ValueError as error:
        raise ValueError(f"NET.IP_FROM_STRING: '{text}' is no address") from error


def safe_from_text(text: str) -> bytes | None:
    """NET.SAFE_IP_FROM_STRING."""
    try:
        return ipaddress.ip_address(text).packed
    except ValueError:
        return None


def net_mask(size: int, prefix: int) -> bytes:
    """NET.IP_NET_MASK."""
    if size not in (4, 16):
        raise ValueError("NET.IP_NET_MASK: the first argument must be either 4 or 16")
    if not 0 <= prefix <= size * 8:
        raise ValueError(f"NET.IP_NET_MASK: the second argument must be in the range from 0 to {size * 8}")
    ones = ((1 << prefix) - 1) << (size * 8 - prefix)
    return ones.to_bytes(size, "big")


def truncate(address: bytes, prefix: int) -> bytes:
    """NET.IP_TRUNC."""
    if len(address) not in (4, 16):
        raise ValueError("NET.IP_TRUNC: length of the first argument must be either 4 or 16")
    if not 0 <= prefix <= len(address) * 8:
        raise ValueError(f"NET.IP_TRUNC: length must be in the range from 0 to {len(address) * 8}")
    mask = net_mask(len(address), prefix)
    return bytes(one & two for one, two in zip(address, mask, strict=True))


def from_number(number: int) -> bytes:
    """NET.IPV4_FROM_INT64."""
    if not -0x80000000 <= number <= 0xFFFFFFFF:
        raise ValueError(f"NET.IPV4_FROM_INT64: {number} is out of range")
    return (number & 0xFFFFFFFF).to_bytes(4, "big")


def to_number(address: bytes) -> int:
    """NET.IPV4_TO_INT64."""
    if len(address) != 4:
        raise ValueError("NET.IPV4_TO_INT64: the argument must have 4 bytes")
    return int.from_bytes(address, "big")


def host(url: str) -> str | None:
    """NET.HOST."""
    text = url.strip()
    if "//" not in text:
        text = f"//{text}"
    try:
        split = urlsplit(text)
    except ValueError:
        return None
    found = split.netloc.rpartition("@")[2]
    if found.startswith("["):
        return f"{found.partition(']')[0]}]"
    return found.partition(":")[0] or None


def public_suffix(url: str) -> str | None:
    """NET.PUBLIC_SUFFIX, by the common shape of suffixes (one label, or two under a country)."""
    labels = _labels(url)
    if len(labels) < 2:
        return None
    return ".".join(labels[-_suffix_length(labels) :])


def registered_domain(url: str) -> str | None:
    """NET.REG_DOMAIN."""
    labels = _labels(url)
    size = _suffix_length(labels) + 1
    return ".".join(labels[-size:]) if len(labels) >= size else None


def _labels(url: str) -> list[str]:
    found = (host(url) or "").strip(".")
    return [label for label in found.split(".") if label]


def _suffix_length(labels: list[str]) -> int:
    is_country = len(labels[-1]) == 2 if labels else False
    return 2 if is_country and len(labels) > 2 and labels[-2].lower() in _SECOND_LEVEL else 1


FUNCTIONS = {
    "athena_net_ip_to_string": (to_text, ["BLOB"], "VARCHAR"),
    "athena_net_ip_from_string": (from_text, ["VARCHAR"], "BLOB"),
    "athena_net_safe_ip_from_string": (safe_from_text, ["VARCHAR"], "BLOB"),
    "athena_net_ip_net_mask": (net_mask, ["BIGINT", "BIGINT"], "BLOB"),
    "athena_net_ip_trunc": (truncate, ["BLOB", "BIGINT"], "BLOB"),
    "athena_net_ipv4_from_int64": (from_number, ["BIGINT"], "BLOB"),
    "athena_net_ipv4_to_int64": (to_number, ["BLOB"], "BIGINT"),
    "athena_net_host": (host, ["VARCHAR"], "VARCHAR"),
    "athena_net_public_suffix": (public_suffix, ["VARCHAR"], "VARCHAR"),
    "athena_net_reg_domain": (registered_domain, ["VARCHAR"], "VARCHAR"),
}
