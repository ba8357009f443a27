"""Which role may ask for which route.

Who may read may see what would be: routes that only compute count as reading. Whatever changes something is for
admins, but for what support does, which has a reason and is written down.
"""

from http import HTTPStatus

from api.errors import Problem
from perennial.roles import Role

_DESK = "/v1/support/"
_COMPUTES = ("/preview", "/preview-change", "/what-if")


def authorise(role: Role, method: str, route: str) -> None:
    """`route` is the pattern of the path.

    Raises:
        Problem: 403, naming the roles that may.
    """
    allowed = roles_of(method, route)
    if role not in allowed:
        raise forbidden(role, allowed)


def roles_of(method: str, route: str) -> tuple[Role, ...]:
    """The roles that may, the mightiest first."""
    if route.startswith(_DESK):
        return Role.ADMIN, Role.SUPPORT
    if method == "GET" or (method == "POST" and route.endswith(_COMPUTES)):
        return tuple(Role)
    return (Role.ADMIN,)


def forbidden(role: Role, needed: tuple[Role, ...]) -> Problem:
    names = [each.value for each in needed]
    return Problem(
        HTTPStatus.FORBIDDEN,
        "role_required",
        f"this needs an API key of the role {' or '.join(names)}; the one that was sent has the role {role}",
        needs=names,
    )
