"""The page that explains the API (`/docs`), with its script and style from our own tree: it works offline."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

PATH = "/docs"
_ASSETS = "/docs/assets"
_VENDOR = Path(__file__).parent / "vendor" / "swagger-ui"


def install(app: FastAPI) -> None:
    app.mount(_ASSETS, StaticFiles(directory=_VENDOR), name="docs-assets")

    @app.get(PATH, include_in_schema=False)
    async def docs() -> HTMLResponse:
        """Every route with its examples, to be tried from the browser."""
        return get_swagger_ui_html(
            openapi_url=app.openapi_url or "",
            title=f"{app.title} API",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={"persistAuthorization": True, "docExpansion": "none"},
        )
