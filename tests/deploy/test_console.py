"""An operator's browser before the Temporal UI, behind nginx: what is encrypted in Temporal is shown in words.

As deployed: the browser asks the codec server under the UI's own address, and nginx adds the token that it has not.
"""

import base64
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from playwright.async_api import expect
from temporalio.client import Client

from perennial.config import Environment, Settings
from perennial.stack import ChildProcess
from perennial.stack.ports import free_port
from perennial.temporal.client import connect
from tests.deploy import test_nginx as nginx
from tests.support.stage import eventually
from tests.web import chromium

WORDS = "twelve dollars and fifty cents"
SUMMARY = "Basic x 1 · 12.50 USD / 1 month"
pytestmark = [nginx.pytestmark, chromium.needed]


async def test_what_is_encrypted_is_read_behind_the_password(root: Path, tmp_path: Path) -> None:
    ports = {name: free_port() for name in ("api-1", "api-2", "temporal", "temporal-ui", "codec", "8080", "8233")}
    address = f"http://127.0.0.1:{ports['8233']}"
    keys = f"a:{base64.b64encode(os.urandom(32)).decode()}"
    nginx.render(root, tmp_path, ports)
    beside = Path(sys.executable).parent
    temporal = [beside / "temporal", "server", "start-dev", "--ip", "127.0.0.1", "--log-level", "error"]
    temporal += ["--port", ports["temporal"], "--ui-port", ports["temporal-ui"], "--http-port", free_port()]
    temporal += ["--ui-codec-endpoint", f"{address}/codec"]
    codec = [sys.executable, "-P", "-m", "perennial", "codec-server", "--port", ports["codec"]]
    asked = {"PERENNIAL_PAYLOAD_KEYS": keys, "PERENNIAL_CODEC_TOKEN": nginx.TOKEN}
    with ExitStack() as running:
        for name, line in (("temporal", temporal), ("codec", codec), ("nginx", nginx.command(tmp_path))):
            child = ChildProcess(name, [*map(str, line)], env=os.environ | asked, log_path=tmp_path / f"{name}.log")
            child.start()
            running.callback(child.stop)
        settings = Settings(
            environment=Environment.TEST, temporal_address=f"127.0.0.1:{ports['temporal']}", payload_keys=keys
        )
        client: Client = await eventually(lambda: connect(settings))
        start = partial(client.start_workflow, "Nobody", WORDS, id="secret", task_queue="nobody")
        await eventually(lambda: start(static_summary=SUMMARY))
        stored = await client.get_workflow_handle("secret").fetch_history()
        kept = b"".join(event.SerializeToString() for event in stored.events)
        assert all(words.encode() not in kept for words in (WORDS, SUMMARY))
        async with chromium.chromium() as browser:
            operator = await browser.new_page(http_credentials={"username": "ada", "password": "opensesame"})
            await operator.goto(f"{address}/namespaces/default/workflows/secret")
            await expect(operator.get_by_text(WORDS).first).to_be_visible(timeout=20_000)
            await operator.get_by_role("tab", name="User Metadata").click()
            summary = operator.frame_locator("iframe").first
            await expect(summary.get_by_text(SUMMARY)).to_be_visible(timeout=20_000)
