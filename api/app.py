"""The composition root of the API process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from api import docs, errors, openapi
from api.middleware import RequestContext
from api.routes import PUBLIC, ROUTERS, simulator, stripe
from perennial.config import Settings, load_settings
from perennial.engine.context import open_engine


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
        try:
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
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.add_middleware(RequestContext)
    errors.install(app)
    for router in (*PUBLIC, *ROUTERS):
        app.include_router(router)
    app.include_router(stripe.router)
    if not settings.is_production:
        app.include_router(simulator.router)
    openapi.install(app)
    docs.install(app)
    return app
