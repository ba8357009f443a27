"""The documentation page works without the internet: everything that it loads comes from us."""

import re

from httpx import AsyncClient


async def test_the_page_and_all_that_it_loads_are_ours(api: AsyncClient) -> None:
    page = (await api.get("/docs")).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) >= 3
    assert all(address.startswith("/docs/assets/") for address in loaded), loaded
    for address in loaded:
        assert (await api.get(address)).status_code == 200
    assert "/openapi.json" in page
