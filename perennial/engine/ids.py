"""New ids. Random, unless a request names itself: then the same request makes the same thing."""

import secrets
from hashlib import sha256

_LENGTH = 20


def new_id(prefix: str, seed: str | None = None) -> str:
    """`prefix_` and 20 hexadecimal digits; derived from `seed` if there is one."""
    digits = sha256(f"{prefix}:{seed}".encode()).hexdigest() if seed else secrets.token_hex(_LENGTH)
    return f"{prefix}_{digits[:_LENGTH]}"
