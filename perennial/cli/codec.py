"""`perennial codec-server`: encrypted payloads, readable in the Temporal UI for those who have the token."""

from typing import Annotated

import typer

from perennial.config import PREFIX, SettingsError, load_settings

PORT = 8234


def codec_server(
    host: Annotated[str, typer.Option(help="The interface to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = PORT,
) -> None:
    """Decrypts payloads for the Temporal UI and the `temporal` command until SIGTERM."""
    import structlog
    import uvicorn

    from perennial.observability import observed
    from perennial.temporal.codec import EncryptionCodec
    from perennial.temporal.codec_server import CodecServer
    from perennial.temporal.key_ring import parse_keys

    settings = load_settings()
    if settings.payload_keys is None:
        raise SettingsError(f"{PREFIX}PAYLOAD_KEYS: is not set, so that nothing is encrypted")
    if settings.codec_token is None:
        raise SettingsError(f"{PREFIX}CODEC_TOKEN: is not set; whoever has it may read payloads")
    codec = EncryptionCodec(parse_keys(settings.payload_keys.get_secret_value()))
    server = CodecServer(codec, settings.codec_token.get_secret_value(), settings.codec_origin)
    with observed(settings, "codec-server"):
        structlog.get_logger(__name__).info("codec_server_starts", host=host, port=port, origin=settings.codec_origin)
        uvicorn.run(server.application(), host=host, port=port, log_config=None, server_header=False)
