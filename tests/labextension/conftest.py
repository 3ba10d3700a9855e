"""A real JupyterLab with the built front end, a gateway's stand-in, and chromium."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.labserver import conftest as servers

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "artifacts" / "labextension"
IS_READY = """() => {
  const app = window.jupyterapp;
  const context = app && app.shell.currentWidget && app.shell.currentWidget.sessionContext;
  return !!context && context.isReady && !!context.session && context.session.kernel.status === 'idle';
}"""


gateway = servers.gateway


@pytest.fixture(scope="session")
def lab(gateway: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a running JupyterLab with the front end that `make labextension` built."""
    built = ROOT / "athena_lab" / "labextension"
    assert (built / "package.json").is_file(), "build the front end first: make labextension"
    home = tmp_path_factory.mktemp("lab")
    shown = home / "share" / "labextensions" / "athena-lab"
    shown.parent.mkdir(parents=True)
    shown.symlink_to(built, target_is_directory=True)
    settings = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    environ = servers.environment_of(home, gateway) | {
        "JUPYTER_PATH": str(home / "share"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    found, process = servers.start_jupyter("jupyterlab", home, environ, "--LabApp.expose_app_in_browser=True")
    yield found
    servers.end(process)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Give a running chromium."""
    # Here and not above: without a browser these tests are skipped, and need no driver either.
    from playwright.sync_api import expect, sync_playwright

    # Two shared cores: what takes a moment elsewhere may take many here.
    expect.set_options(timeout=30_000)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield running
        running.close()


@pytest.fixture
def open_notebook(lab: Any, browser: Any) -> Iterator[Callable[..., Any]]:
    """Give a function that opens a notebook of its own in a page of its own."""
    contexts = []

    def open_page(*sources: str, name: str | None = None, theme: str = "light", **metadata: Any) -> Any:
        context = browser.new_context(
            viewport={"width": 1280, "height": 860}, locale="en-GB", timezone_id="Europe/Berlin"
        )
        contexts.append(context)
        path = lab.write(name or f"n{secrets.token_hex(4)}.ipynb", *sources, **metadata)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{lab.url}/lab/tree/{path}?token={lab.token}&reset")
        page.wait_for_function(IS_READY, timeout=90_000)
        # Always: the theme is a setting, and the settings are the server's.
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        page.evaluate(change, "JupyterLab Dark" if theme == "dark" else "JupyterLab Light")
        is_light = "true" if theme == "light" else "false"
        page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{is_light}'")
        page.notebook_path = path
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def shoot() -> Callable[[Any, str], None]:
    """Give a function that keeps a screenshot for people to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)

    def take(page: Any, name: str) -> None:
        page.screenshot(path=SHOTS / f"{name}.png")

    return take
