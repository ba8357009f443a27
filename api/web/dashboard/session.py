"""Who is signed in: a cookie that we have signed, and a token in every form that only our own pages know.

Nothing is kept on our side: a session ends with its time, with its cookie, or when its API key is taken back.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from api.security import Caller, caller_named
from perennial.config import Settings
from perennial.roles import Role

COOKIE = "perennial_dashboard"
# A working day.
LIFETIME = timedelta(hours=8)
ROLES = (Role.ADMIN, Role.SUPPORT)


@dataclass(frozen=True, slots=True)
class Session:
    """`token` stands in every form of this session."""

    caller: Caller
    token: str = field(repr=False)


def begin(settings: Settings, caller: Caller, now: datetime) -> str:
    """What the cookie holds. It names the key without telling anything of it."""
    expires = int((now + LIFETIME).timestamp())
    told = f"{caller.name}.{expires}.{token_urlsafe(12)}"
    return f"{told}.{_signed(settings, 'session', told)}"


def opened(settings: Settings, cookie: str, now: datetime) -> Session | None:
    """None for a cookie that is not ours or whose time is over, and for a key that is gone or of another role."""
    told, _, signature = cookie.rpartition(".")
    if not hmac.compare_digest(_signed(settings, "session", told).encode(), signature.encode()):
        return None
    name, expires, _ = told.split(".", 2)
    caller = caller_named(settings, name)
    if caller is None or caller.role not in ROLES or datetime.fromtimestamp(int(expires), UTC) <= now:
        return None
    return Session(caller, _signed(settings, "form", cookie))


def _signed(settings: Settings, what: str, told: str) -> str:
    secret = settings.dashboard_secret.get_secret_value().encode()
    return urlsafe_b64encode(hmac.digest(secret, f"{what}:{told}".encode(), sha256)).decode().rstrip("=")
