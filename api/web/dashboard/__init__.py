"""The dashboard: what support looks at and does, in a browser. docs/dashboard.md."""

from api.web.dashboard import acting, batches, door, looking, resets, start, subject

ROUTERS = (
    door.router,
    door.inside,
    start.router,
    subject.router,
    acting.router,
    resets.router,
    batches.router,
    looking.router,
)
