"""How values become payloads, the same in every process: JSON, encrypted when there are keys."""

from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    EncodingPayloadConverter,
)

from perennial.config import PREFIX, Settings
from perennial.temporal.codec import ENCODING, CannotDecrypt, EncryptionCodec
from perennial.temporal.key_ring import parse_keys


def data_converter(settings: Settings) -> DataConverter:
    """With keys, messages and traces of failures are encrypted too. Plain payloads can always be read."""
    plain = replace(pydantic_data_converter, payload_converter_class=_JsonConverter)
    if settings.payload_keys is None:
        return plain
    return replace(
        plain,
        payload_codec=EncryptionCodec(parse_keys(settings.payload_keys.get_secret_value())),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def readable(converter: DataConverter, failure: Failure) -> Failure:
    """A failure as the server tells it, its message and trace decoded; as it is when they cannot be."""
    copy = Failure()
    copy.CopyFrom(failure)
    if converter.payload_codec is None:
        return copy
    try:
        await converter.payload_codec.decode_failure(copy)
    except CannotDecrypt:
        return copy
    part = copy
    while True:
        if part.HasField("encoded_attributes"):
            told: dict[str, str] = converter.payload_converter.from_payload(part.encoded_attributes, dict)
            part.message, part.stack_trace = told.get("message", ""), told.get("stack_trace", "")
        if not part.HasField("cause"):
            return copy
        part = part.cause


class _Encrypted(EncodingPayloadConverter):
    """Says what is missing where the SDK would only say that it does not know the encoding. Makes nothing itself."""

    @property
    def encoding(self) -> str:
        return ENCODING

    def to_payload(self, value: Any) -> Payload | None:  # noqa: ARG002 - the SDK's signature
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:  # noqa: ARG002 - the same
        raise CannotDecrypt(f"the payload is encrypted, and {PREFIX}PAYLOAD_KEYS is not set")


# The SDK makes a converter for every workflow that wakes, and each would build the schemas of our types again: ten
# milliseconds for a state, more than all else that a workflow task costs. So all share these.
_SHARED = (*PydanticPayloadConverter().converters.values(), _Encrypted())


class _JsonConverter(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(*_SHARED)
