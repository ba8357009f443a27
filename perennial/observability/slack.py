"""A line to a Slack channel, through an incoming webhook. Who cannot be told does not stop the work."""

from collections.abc import Sequence

import httpx
import structlog

from perennial.config import Settings

_TIMEOUT_SECONDS = 5.0
_log = structlog.get_logger(__name__)


def tell(settings: Settings, text: str, details: Sequence[str] = ()) -> bool:
    """Whether it has arrived; False too when no webhook is set. Lines hold ids, never people."""
    if settings.slack_webhook_url is None:
        return False
    # The three characters that Slack takes for markup of its own.
    words = "\n".join([text, *(f"• {line}" for line in details)])
    words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    try:
        url = settings.slack_webhook_url.get_secret_value()
        answer = httpx.post(url, json={"text": words}, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        # Not the error's words: they name the address, which is the secret.
        _log.warning("slack_not_told", error=type(error).__name__)
        return False
    return True
