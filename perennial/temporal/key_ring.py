"""The keys with which payloads are encrypted: the first one encrypts, every one decrypts. Secrets, so never shown."""

import base64
import binascii
import re

KEY_BYTES = 32  # AES-256
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")


def parse_keys(written: str) -> dict[str, bytes]:
    """`id:base64key,id:base64key` in their order. An id is public: it stands beside everything its key encrypted.

    Raises:
        ValueError: says what is wrong with which key, and nothing of the key itself.
    """
    keys: dict[str, bytes] = {}
    for position, entry in enumerate(written.split(","), start=1):
        name, _, encoded = entry.strip().partition(":")
        if not _ID.fullmatch(name):
            raise ValueError(f"key {position} must be written id:base64key, with letters, digits and ._- in its id")
        if name in keys:
            raise ValueError(f"key {name} is there twice")
        keys[name] = _key(name, encoded)
    return keys


def _key(name: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"key {name} is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"key {name} has {len(key)} bytes, not {KEY_BYTES}: make one with `openssl rand -base64 32`")
    return key
