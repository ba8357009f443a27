"""Encryption of payloads: what a key ring can and cannot read."""

import base64
import os

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from perennial.config import Settings, SettingsError, load_settings
from perennial.temporal.codec import ENCODING, KEY_ID, CannotDecrypt, EncryptionCodec
from perennial.temporal.converter import data_converter
from perennial.temporal.key_ring import parse_keys


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def payload(words: str) -> Payload:
    return PayloadConverter.default.to_payload(words)


OLD, NEW = f"old:{key()}", f"2026-11:{key()}"


async def test_what_is_encrypted_comes_back_and_shows_only_its_key_id() -> None:
    codec = EncryptionCodec(parse_keys(NEW))
    [stored] = await codec.encode([payload("twelve dollars")])
    assert stored.metadata == {"encoding": ENCODING.encode(), KEY_ID: b"2026-11"}
    assert b"twelve" not in stored.SerializeToString()
    assert await codec.decode([stored]) == [payload("twelve dollars")]


async def test_the_same_words_never_look_the_same() -> None:
    codec = EncryptionCodec(parse_keys(NEW))
    made = await codec.encode([payload("twelve dollars")] * 50)
    assert len({stored.data for stored in made}) == 50


async def test_a_new_key_encrypts_and_the_old_one_still_decrypts() -> None:
    [before] = await EncryptionCodec(parse_keys(OLD)).encode([payload("a")])
    rotated = EncryptionCodec(parse_keys(f"{NEW}, {OLD}"))
    [after] = await rotated.encode([payload("b")])
    assert after.metadata[KEY_ID] == b"2026-11"
    assert await rotated.decode([before, after, payload("plain")]) == [payload("a"), payload("b"), payload("plain")]
    with pytest.raises(CannotDecrypt, match="does not hold the key 'old'"):
        await EncryptionCodec(parse_keys(NEW)).decode([before])


@pytest.mark.parametrize("position", [0, 11, 12, -1])
async def test_a_changed_byte_is_noticed(position: int) -> None:
    codec = EncryptionCodec(parse_keys(NEW))
    [stored] = await codec.encode([payload("a")])
    data = bytearray(stored.data)
    data[position] ^= 1
    stored.data = bytes(data)
    with pytest.raises(CannotDecrypt, match="damaged"):
        await codec.decode([stored])


async def test_a_payload_cannot_be_passed_off_as_another_keys() -> None:
    written = key()
    [stored] = await EncryptionCodec(parse_keys(f"a:{written}")).encode([payload("a")])
    stored.metadata[KEY_ID] = b"b"
    with pytest.raises(CannotDecrypt):
        await EncryptionCodec(parse_keys(f"b:{written}")).decode([stored])


async def test_an_empty_payload_is_no_key_to_anything() -> None:
    empty = Payload(metadata={"encoding": ENCODING.encode(), KEY_ID: b"old"}, data=b"")
    with pytest.raises(CannotDecrypt):
        await EncryptionCodec(parse_keys(OLD)).decode([empty])


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "key 1 must be written id:base64key"),
        ("justakey", "key justakey has 0 bytes"),
        (f"a b:{key()}", "key 1 must be written"),
        (f"{OLD},{OLD}", "key old is there twice"),
        (f"{OLD},", "key 2 must be written"),
        ("short:AAAA", "key short has 3 bytes, not 32"),
        ("odd:!!!!", "key odd is not base64"),
    ],
    ids=["empty", "no colon", "space", "twice", "comma", "short", "not base64"],
)
def test_a_wrong_key_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch, written: str, reason: str) -> None:
    monkeypatch.setenv("PERENNIAL_PAYLOAD_KEYS", written)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    said = str(refused.value)
    assert said.startswith(f"PERENNIAL_PAYLOAD_KEYS: {reason}")
    assert OLD.partition(":")[2] not in said


def test_settings_do_not_show_keys() -> None:
    settings = Settings(_env_file=None, payload_keys=NEW, codec_token="a-token-of-a-test-1")
    assert NEW.partition(":")[2] not in repr(settings)
    assert "a-token-of" not in repr(settings)


async def test_without_keys_an_encrypted_payload_says_which_setting_is_missing() -> None:
    [stored] = await EncryptionCodec(parse_keys(NEW)).encode([payload("a")])
    plain = data_converter(Settings(_env_file=None))
    assert plain.payload_codec is None
    with pytest.raises(CannotDecrypt, match="PERENNIAL_PAYLOAD_KEYS is not set"):
        await plain.decode([stored])
