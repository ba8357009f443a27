"""Who is signed in: a cookie that we have signed, and a token in every form that only our own pages know.

Only sessions that were signed out of are kept on our side. The others end with their time, or when their API key is
taken back.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from sqlalchemy import delete
from sqlalchemy.orm import Session as DbSession

from api.security import Caller, caller_named
from perennial.config import Settings
from perennial.db.models import EndedSession
from perennial.roles import Role

COOKIE = "perennial_dashboard"
# A working day.
LIFETIME = timedelta(hours=8)
ROLES = (Role.ADMIN, Role.SUPPORT)


@dataclass(frozen=True, slots=True)
class Session:
    """`token` stands in every form of this session. `digest` is what it is known by once it has been signed out of."""

    caller: Caller
    expires_at: datetime
    token: str = field(repr=False)
    digest: str = field(repr=False)


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
    caller, expires_at = caller_named(settings, name), datetime.fromtimestamp(int(expires), UTC)
    if caller is None or caller.role not in ROLES or expires_at <= now:
        return None
    return Session(caller, expires_at, _signed(settings, "form", cookie), sha256(cookie.encode()).hexdigest())


def is_ended(db: DbSession, session: Session) -> bool:
    """Whether it was signed out of."""
    return db.get(EndedSession, session.digest) is not None


def end(db: DbSession, session: Session, now: datetime) -> None:
    """Sign out. Those whose time is over need not be remembered."""
    db.execute(delete(EndedSession).where(EndedSession.expires_at <= now))
    db.merge(EndedSession(digest=session.digest, expires_at=session.expires_at))


def _signed(settings: Settings, what: str, told: str) -> str:
    secret = settings.dashboard_secret.get_secret_value().encode()
    return urlsafe_b64encode(hmac.digest(secret, f"{what}:{told}".encode(), sha256)).decode().rstrip("=")
