"""Links that customers follow: where they lead, and the secrets that make them theirs alone.

A secret is made from the settings' `link_secret` and the id of what it opens, so the same link can be told again. No
link says anything about the person who gets it.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from perennial.config import Settings
from perennial.gateways.registry import api_url

# Enough that nobody finds one by trying.
_SECRET_BYTES = 24


def public_url(settings: Settings) -> str:
    """Where customers reach the API, without a slash at the end."""
    return (settings.public_url or api_url(settings)).rstrip("/")


def dashboard_url(settings: Settings) -> str:
    """Where support finds the dashboard."""
    return f"{public_url(settings)}/dashboard"


def checkout_secret(settings: Settings, session_id: str) -> str:
    """What opens a checkout session. Its row holds only the hash of this."""
    return _signed(settings, f"checkout:{session_id}")


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def checkout_url(settings: Settings, session_id: str) -> str:
    return f"{public_url(settings)}/checkout/{session_id}?key={checkout_secret(settings, session_id)}"


def pay_url(settings: Settings, invoice_id: str) -> str:
    """Where this invoice is paid, for mails."""
    return f"{public_url(settings)}/pay/{invoice_id}/{_signed(settings, f'pay:{invoice_id}')}"


def is_pay_token(settings: Settings, invoice_id: str, token: str) -> bool:
    return hmac.compare_digest(_signed(settings, f"pay:{invoice_id}").encode(), token.encode())


def _signed(settings: Settings, what: str) -> str:
    secret = settings.link_secret.get_secret_value().encode()
    return urlsafe_b64encode(hmac.digest(secret, what.encode(), sha256)[:_SECRET_BYTES]).decode()
