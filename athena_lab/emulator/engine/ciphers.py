"""KEYS.*, AEAD.* and DETERMINISTIC_*: Tink keysets (protocol buffers) with AES-GCM and AES-SIV keys.

https://cloud.google.com/bigquery/docs/aead-encryption-concepts, github.com/tink-crypto (keyset.proto)
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

_PREFIX = "type.googleapis.com/google.crypto.tink."
_KINDS = {"AEAD_AES_GCM_256": ("AesGcmKey", 32), "DETERMINISTIC_AEAD_AES_SIV_CMAC_256": ("AesSivKey", 64)}
_VALUE_FIELD = {"AesGcmKey": 3, "AesSivKey": 2}
_TINK, _RAW = 1, 3


@dataclass(frozen=True, slots=True)
class _Key:
    kind: str
    value: bytes
    id: int
    prefix: int = _TINK

    @property
    def header(self) -> bytes:
        return b"\x01" + self.id.to_bytes(4, "big") if self.prefix == _TINK else b""


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0

    def varint() -> int:
        nonlocal at
        found = shift = 0
        while True:
            byte = data[at]
            at += 1
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        size = varint()
        yield tag >> 3, data[at : at + size]
        at += size


def _pack(keys: list[_Key], primary: int) -> bytes:
    made = _number_field(1, primary)
    for key in keys:
        value = _bytes_field(_VALUE_FIELD[key.kind], key.value)
        data = _bytes_field(1, (_PREFIX + key.kind).encode()) + _bytes_field(2, value) + _number_field(3, 1)
        made += _bytes_field(
            2, _bytes_field(1, data) + _number_field(2, 1) + _number_field(3, key.id) + _number_field(4, key.prefix)
        )
    return made


def _unpack(keyset: bytes) -> tuple[list[_Key], int]:
    keys, primary = [], 0
    try:
        for number, value in _fields(keyset):
            if number == 1 and isinstance(value, int):
                primary = value
            elif isinstance(value, bytes):
                keys.append(_unpack_key(value))
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise ValueError("Invalid keyset") from error
    if not keys:
        raise ValueError("Invalid keyset")
    return keys, primary


def _unpack_key(data: bytes) -> _Key:
    parts = dict(_fields(data))
    inner = dict(_fields(bytes(parts[1])))
    kind = bytes(inner[1]).decode().removeprefix(_PREFIX)
    value = dict(_fields(bytes(inner[2])))
    return _Key(kind, bytes(value[_VALUE_FIELD[kind]]), int(parts[3]), int(parts.get(4, _TINK)))


def _new_key(kind: str) -> _Key:
    found = _KINDS.get(kind.upper())
    if found is None:
        raise ValueError(f"Invalid key type: {kind}")
    return _Key(found[0], secrets.token_bytes(found[1]), secrets.randbelow(2**32 - 1) + 1)


def new_keyset(kind: str) -> bytes:
    """KEYS.NEW_KEYSET."""
    key = _new_key(kind)
    return _pack([key], key.id)


def rotate(keyset: bytes, kind: str) -> bytes:
    """KEYS.ROTATE_KEYSET."""
    keys, _ = _unpack(keyset)
    key = _new_key(kind)
    return _pack([*keys, key], key.id)


def add_raw_key(keyset: bytes, kind: str, raw: bytes) -> bytes:
    """KEYS.ADD_KEY_FROM_RAW_BYTES."""
    if kind.upper() != "AES_GCM" or len(raw) not in (16, 32):
        raise ValueError(f"Invalid key type or length: {kind}")
    keys, primary = _unpack(keyset)
    return _pack([*keys, _Key("AesGcmKey", raw, secrets.randbelow(2**32 - 1) + 1, _RAW)], primary)


def length(keyset: bytes) -> int:
    """KEYS.KEYSET_LENGTH."""
    return len(_unpack(keyset)[0])


def to_json(keyset: bytes) -> str:
    """KEYS.KEYSET_TO_JSON."""
    keys, primary = _unpack(keyset)
    items = [
        {
            "keyData": {
                "keyMaterialType": "SYMMETRIC",
                "typeUrl": _PREFIX + key.kind,
                "value": base64.b64encode(_bytes_field(_VALUE_FIELD[key.kind], key.value)).decode(),
            },
            "keyId": key.id,
            "outputPrefixType": "TINK" if key.prefix == _TINK else "RAW",
            "status": "ENABLED",
        }
        for key in keys
    ]
    return json.dumps({"key": items, "primaryKeyId": primary}, separators=(",", ":"))


def from_json(text: str) -> bytes:
    """KEYS.KEYSET_FROM_JSON."""
    try:
        found = json.loads(text)
        keys = []
        for item in found["key"]:
            kind = item["keyData"]["typeUrl"].removeprefix(_PREFIX)
            value = dict(_fields(base64.b64decode(item["keyData"]["value"])))
            prefix = _TINK if item.get("outputPrefixType") == "TINK" else _RAW
            keys.append(_Key(kind, bytes(value[_VALUE_FIELD[kind]]), int(item["keyId"]), prefix))
        return _pack(keys, int(found["primaryKeyId"]))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError("Invalid keyset JSON") from error


def _primary(keyset: bytes, kind: str) -> _Key:
    keys, primary = _unpack(keyset)
    found = next((key for key in keys if key.id == primary), None)
    if found is None or found.kind != kind:
        raise ValueError("The keyset's primary key does not fit this function")
    return found


def encrypt(keyset: bytes, plain: bytes, additional: bytes) -> bytes:
    """AEAD.ENCRYPT."""
    key, nonce = _primary(keyset, "AesGcmKey"), secrets.token_bytes(12)
    return key.header + nonce + AESGCM(key.value).encrypt(nonce, plain, additional)


def decrypt(keyset: bytes, cipher: bytes, additional: bytes) -> bytes:
    """AEAD.DECRYPT_BYTES."""
    for key in _unpack(keyset)[0]:
        body = cipher[len(key.header) :]
        if key.kind == "AesGcmKey" and cipher.startswith(key.header) and len(body) > 12:
            try:
                return AESGCM(key.value).decrypt(body[:12], body[12:], additional)
            except InvalidTag:
                continue
    raise ValueError("AEAD.DECRYPT failed: decryption failed")


def encrypt_same(keyset: bytes, plain: bytes, additional: bytes) -> bytes:
    """DETERMINISTIC_ENCRYPT."""
    key = _primary(keyset, "AesSivKey")
    return key.header + AESSIV(key.value).encrypt(plain, [additional])


def decrypt_same(keyset: bytes, cipher: bytes, additional: bytes) -> bytes:
    """DETERMINISTIC_DECRYPT_BYTES."""
    for key in _unpack(keyset)[0]:
        if key.kind == "AesSivKey" and cipher.startswith(key.header):
            try:
                return AESSIV(key.value).decrypt(cipher[len(key.header) :], [additional])
            except InvalidTag:
                continue
    raise ValueError("DETERMINISTIC_DECRYPT failed: decryption failed")


new_keyset.is_volatile = rotate.is_volatile = add_raw_key.is_volatile = encrypt.is_volatile = True  # type: ignore[attr-defined]

FUNCTIONS = {
    "athena_keys_new_keyset": (new_keyset, ["VARCHAR"], "BLOB"),
    "athena_keys_rotate_keyset": (rotate, ["BLOB", "VARCHAR"], "BLOB"),
    "athena_keys_add_key_from_raw_bytes": (add_raw_key, ["BLOB", "VARCHAR", "BLOB"], "BLOB"),
    "athena_keys_keyset_length": (length, ["BLOB"], "BIGINT"),
    "athena_keys_keyset_to_json": (to_json, ["BLOB"], "VARCHAR"),
    "athena_keys_keyset_from_json": (from_json, ["VARCHAR"], "BLOB"),
    "athena_aead_encrypt": (encrypt, ["BLOB", "BLOB", "BLOB"], "BLOB"),
    "athena_aead_decrypt": (decrypt, ["BLOB", "BLOB", "BLOB"], "BLOB"),
    "athena_deterministic_encrypt": (encrypt_same, ["BLOB", "BLOB", "BLOB"], "BLOB"),
    "athena_deterministic_decrypt": (decrypt_same, ["BLOB", "BLOB", "BLOB"], "BLOB"),
}
