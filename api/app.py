"""The composition root of the API process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from api import docs, errors, openapi
from api.middleware import RequestContext
from api.routes import PUBLIC, ROUTERS, simulator, stripe
from api.web import checkout, dashboard, pages, pay
from perennial.config import Settings, load_settings
from perennial.engine.context import from_thread, open_engine
from perennial.engine.parts import look
from perennial.observability import serving


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; it connects when it starts.

    Raises:
        SettingsError: no database or no Temporal is named, so that it is said before anything listens.
    """
    settings = settings or load_settings()
    settings.require_database_url()
    settings.require_temporal_address()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = await open_engine(settings)
        app.state.engine = engine
        loop = asyncio.get_running_loop()
        try:
            with serving(settings, lambda: from_thread(loop, look(engine))):
                yield
        finally:
            engine.close()

    app = FastAPI(
        title="Perennial",
        summary="A subscription billing engine.",
        description=openapi.DESCRIPTION,
        version=version("perennial"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=openapi.TAGS,
        generate_unique_id_function=openapi.operation_id,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # FastAPI's own spans bear the query, where filters name people; ours do not (api/tracing.py).
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.add_middleware(RequestContext)
    if settings.otlp_endpoint is not None:
        from api.tracing import Traced

        app.add_middleware(Traced)
    errors.install(app)
    for router in (*PUBLIC, *ROUTERS):
        app.include_router(router)
    for router in (checkout.router, pay.router, *dashboard.ROUTERS, stripe.router):
        app.include_router(router)
    app.mount(pages.ASSETS_PATH, StaticFiles(directory=pages.ASSETS), name="web-assets")
    if not settings.is_production:
        app.include_router(simulator.router)
    openapi.install(app)
    docs.install(app)
    return app
