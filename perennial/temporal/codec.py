"""Payloads as Temporal stores them: AES-256-GCM, the id of the key beside each.

What Temporal itself needs to read (workflow ids, search attributes, names of activities) does not pass through here.
"""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from perennial.domain.errors import PerennialError

ENCODING = "binary/encrypted"
KEY_ID = "encryption-key-id"
_NONCE_BYTES = 12  # random: one key is good for 2**32 payloads (NIST SP 800-38D), so keys are changed long before


class CannotDecrypt(PerennialError, ValueError):
    """The key is not in the ring, or the payload is not what was encrypted."""

    code = "cannot_decrypt"


class EncryptionCodec(PayloadCodec):
    """`keys` as `parse_keys` answers them. What is not encrypted is passed on: runs from before stay readable."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._current = next(iter(keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypts with the first key."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises CannotDecrypt."""
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce, key_id = os.urandom(_NONCE_BYTES), self._current.encode()
        data = self._ciphers[self._current].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": ENCODING.encode(), KEY_ID: key_id}, data=nonce + data)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING.encode():
            return payload
        key_id = payload.metadata.get(KEY_ID, b"")
        name = key_id.decode(errors="replace")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise CannotDecrypt(f"PERENNIAL_PAYLOAD_KEYS does not hold the key {name!r}")
        nonce, data = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, data, key_id))
        except (InvalidTag, ValueError):
            raise CannotDecrypt(f"a payload under the key {name!r} is damaged, or that id had another key") from None
