"""A real Chromium, and a server that it looks at."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

# Switched off: what a browser does on its own, and what needs a system bus or a graphics card.
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # as root it starts in no other way
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find(*names: str) -> str | None:
    """Return the path of the first of these programs that is installed."""
    return next(filter(None, map(shutil.which, names)), None)


CHROMIUM = find("chromium", "chromium-browser", "google-chrome")
DRIVER = find("chromedriver")
SELENIUM = importlib.util.find_spec("selenium")
AXE = os.environ.get("AXE_CORE", "")

# .ci/run sets this: there, a test that does not run is a failure.
REQUIRED = bool(os.environ.get("BROWSER_TESTS"))

needs_browser = [
    pytest.mark.browser,
    pytest.mark.exhaustive,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER and SELENIUM) and not REQUIRED,
        reason="needs Chromium with chromedriver, and pip install --group browser",
    ),
]
needs_axe = pytest.mark.skipif(
    not AXE and not REQUIRED, reason="needs AXE_CORE, the path of axe.min.js of axe-core"
)


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Start Chromium with a new profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in (*_SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_page_load_timeout(30)
    driver.set_script_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()


def look(driver: Any, *, scheme: str = "light", width: int = 1280, height: int = 800) -> None:
    """Let pages appear as on a screen of that size, in light or dark."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@dataclass
class Served:
    """An app on a port of its own."""

    port: int
    paths: list[str] = field(default_factory=list)
    """The paths of all requests, in order."""

    def url(self, path: str = "/", host: str = "localhost") -> str:
        return f"http://{host}:{self.port}{path}"


@contextlib.contextmanager
def serving(app: Any) -> Iterator[Served]:
    """Serve a WSGI application as `flask run` does, with a thread for each request."""
    served = Served(0)

    def recorded(environ: dict[str, Any], start_response: Any) -> Any:
        served.paths.append(environ["PATH_INFO"])
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, recorded, threaded=True, request_handler=_Quiet)
    served.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
