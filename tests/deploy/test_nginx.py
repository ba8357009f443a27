"""nginx' configuration: it parses, and a real nginx with it keeps answering when an API replica is away."""

import base64
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from perennial.stack import ChildProcess
from perennial.stack.ports import free_port

TOKEN = "a-token-of-the-codec"
# Otherwise nginx' workers would be somebody who may not read the folder of a test.
USER = "user root;" if os.geteuid() == 0 else ""
PASSWORD = "{PLAIN}opensesame"  # nginx reads it as it stands
MAIN = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log {folder}/images-own.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/perennial.conf;
}}
"""
pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
Serve = Callable[[str], int]


class Answers(BaseHTTPRequestHandler):
    """Says who it is, which path was asked for and with which authorization."""

    def do_GET(self) -> None:
        told = f"{self.server.name} {self.path} {self.headers['Authorization']}"  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told.encode())

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(name: str) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.name = name  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def render(root: Path, folder: Path, ports: dict[str, int]) -> None:
    """As the image does at its start: variables filled in; here also the names of the other containers."""
    text = (root / "deploy/nginx/templates/perennial.conf.template").read_text()
    text = text.replace("${PERENNIAL_CODEC_TOKEN}", TOKEN).replace("/etc/nginx/conf.d/operators", f"{folder}/operators")
    assert re.findall(r"\$\{([A-Z_]+)\}", text) == []
    text = text.replace("/var/log/nginx/access.log", f"{folder}/access.log")
    servers = re.findall(r"^    server (\S+:\d+).*;$", text, re.MULTILINE)
    assert text.count("    zone ") == 3
    assert text.count(" resolve;") == len(servers) == 4, "else the address of a container that is gone would be kept"
    if version() < (1, 27, 3):
        text = text.replace(" resolve;", ";")
    for place in ("api-1:8080", "api-2:8080", "temporal-ui:8080", "codec:8234"):
        assert place in text
        text = text.replace(place, f"127.0.0.1:{ports[place.partition(':')[0]]}")
    for listen in ("8080", "8233"):
        assert f"listen {listen};" in text
        text = text.replace(f"listen {listen};", f"listen 127.0.0.1:{ports[listen]};")
    (folder / "perennial.conf").write_text(text)
    operators = (root / "deploy/nginx/templates/operators.template").read_text()
    (folder / "operators").write_text(operators.replace("${OPERATORS}", f"ada:{PASSWORD}"))
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=USER))


def version() -> tuple[int, ...]:
    said = subprocess.run([shutil.which("nginx") or "", "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, re.findall(r"nginx/([\d.]+)", said)[0].split(".")))


def command(folder: Path, *more: str) -> list[str]:
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf"), *more]


def test_it_parses(root: Path, tmp_path: Path) -> None:
    render(root, tmp_path, dict.fromkeys(("api-1", "api-2", "temporal-ui", "codec", "8080", "8233"), 9))
    done = subprocess.run(command(tmp_path, "-t"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_customers_and_operators_reach_what_is_theirs(root: Path, tmp_path: Path) -> None:
    with ExitStack() as running:
        ports = {name: running.enter_context(serving(name)) for name in ("api-2", "temporal-ui", "codec")}
        first = ExitStack()
        running.callback(first.close)
        ports["api-1"] = first.enter_context(serving("api-1"))
        ports |= {"8080": free_port(), "8233": free_port()}
        render(root, tmp_path, ports)
        nginx = ChildProcess("nginx", command(tmp_path), log_path=tmp_path / "log")
        nginx.start()
        running.callback(nginx.stop)
        wait_for(ports["8233"], nginx, tmp_path / "log")
        api = running.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{ports['8080']}", trust_env=False))
        ui = running.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{ports['8233']}", trust_env=False))

        assert {api.get("/v1/plans").text.split()[0] for _ in range(10)} == {"api-1", "api-2"}
        assert api.get("/v1/plans", headers={"Authorization": "Bearer k"}).text.endswith("/v1/plans Bearer k")
        assert api.get("/nginx-health").status_code == 204
        assert api.get("/metrics").status_code == 404

        paid = api.get("/pay/inv_1/a-secret?mail=ada@example.com", headers={"Referer": "http://a-secret/"})
        assert paid.text.split()[1] == "/pay/inv_1/a-secret?mail=ada@example.com"

        first.close()
        assert [api.get("/v1/plans").text.split()[0] for _ in range(10)] == ["api-2"] * 10

        assert ui.get("/").status_code == 401
        assert ui.get("/codec/decode").status_code == 401
        sign_in = {"Authorization": f"Basic {base64.b64encode(b'ada:opensesame').decode()}"}
        assert ui.get("/namespaces", headers=sign_in).text == "temporal-ui /namespaces None"
        assert ui.get("/codec/decode", headers=sign_in).text == f"codec /decode Bearer {TOKEN}"
    logged = (tmp_path / "access.log").read_text()
    assert '"GET /pay/inv_1/***" 200 ' in logged
    assert '"GET /v1/plans" 200 ' in logged
    assert "secret" not in logged
    assert "ada@" not in logged
    assert (tmp_path / "images-own.log").read_text() == ""


def test_a_link_that_pays_is_in_no_log_of_errors(root: Path, tmp_path: Path) -> None:
    """Nobody answers behind nginx, and it says so of every other request."""
    ports = {name: free_port() for name in ("api-1", "api-2", "temporal-ui", "codec", "8080", "8233")}
    render(root, tmp_path, ports)
    with ExitStack() as running:
        nginx = ChildProcess("nginx", command(tmp_path), log_path=tmp_path / "log")
        nginx.start()
        running.callback(nginx.stop)
        wait_for(ports["8080"], nginx, tmp_path / "log")
        api = running.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{ports['8080']}", trust_env=False))
        assert [api.get(path).status_code for path in ("/pay/inv_1/a-secret", "/v1/plans")] == [502, 502]
    told = (tmp_path / "log").read_text() + (tmp_path / "access.log").read_text()
    assert '"GET /v1/plans HTTP/1.1"' in told
    assert '"GET /pay/inv_1/***" 502 ' in told
    assert "secret" not in told


def wait_for(port: int, nginx: ChildProcess, log: Path) -> None:
    while nginx.is_running:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError(log.read_text())
