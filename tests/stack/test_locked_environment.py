"""A job with a lock on a whole stack: the analyst's kernel locks, Airflow's user installs, the runs' user runs."""

from __future__ import annotations

import json
import os
import uuid

import httpx
import nbformat
import pytest
import websocket

from athena_lab.gateway_api import jobs
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.stack.accounts import prepare_accounts

pytestmark = [pytest.mark.stack, pytest.mark.soak]  # it downloads 80 packages into a new home
WORK = """
import os, sys, importlib.util
import yaml
print(json.dumps({"prefix": sys.prefix, "uid": os.getuid(), "yaml": yaml.__file__,
    "platform": importlib.util.find_spec("papermill") is not None, "writable": os.access(sys.prefix, os.W_OK)}))
"""


@pytest.fixture
def lab(stack):
    """JupyterLab's API, as the browser uses it."""
    headers = {"Authorization": f"token {stack.lab_token}"}
    with httpx.Client(
        base_url=stack.url("lab").split("/lab")[0], headers=headers, timeout=60, trust_env=False
    ) as client:
        yield client


def execute(lab, kernel: str, code: str) -> list[dict]:
    """Execute code in a kernel; give what it said, as (type, content) pairs' contents in order."""
    request, said = uuid.uuid4().hex, []
    header = {"msg_id": request, "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    url = f"{str(lab.base_url).replace('http', 'ws', 1).rstrip('/')}/api/kernels/{kernel}/channels"
    channel = websocket.create_connection(url, header=[f"Authorization: {lab.headers['Authorization']}"], timeout=120)
    try:
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        channel.send(json.dumps(message))
        while True:
            answer = json.loads(channel.recv())
            if answer["parent_header"].get("msg_id") != request:
                continue
            said.append({"type": answer["msg_type"], **answer["content"]})
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                return said
    finally:
        channel.close()


def test_kernel_locks_what_it_has_imported_and_the_run_has_that_alone(stack, lab, wait_until):
    cells = ["import json, yaml", "%%athena three\nSELECT 1 + 2 AS three", "print(three.df().three[0])", WORK]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "athena", "display_name": "Athena (Python 3)", "language": "python"}
    body = {"type": "notebook", "content": json.loads(nbformat.writes(notebook))}
    lab.put("/api/contents/locked.ipynb", json=body).raise_for_status()
    session = {"path": "locked.ipynb", "type": "notebook", "name": "locked.ipynb", "kernel": {"name": "athena"}}
    kernel = lab.post("/api/sessions", json=session).raise_for_status().json()["kernel"]["id"]
    execute(lab, kernel, cells[0])
    said = execute(lab, kernel, "%athena promote --environment lock --by-hand")
    lab.delete(f"/api/kernels/{kernel}")
    assert "'locked' version 1" in json.dumps(said), said
    token = stack.token_file.read_text().strip()
    with GatewayClient(stack.url("gateway"), lambda: token) as gateway:
        visible = jobs.PromotionState.VISIBLE
        wait_until(lambda: gateway.get_promotion("locked", 1).state is visible, 60)
        run = gateway.run_job("locked", jobs.RunRequest())
        wait_until(lambda: gateway.get_run(run.id).state.is_final, 240)
        assert gateway.get_run(run.id).error is None
        outputs = [cell.get("outputs") for cell in gateway.get_output(run.id)["cells"]]
    assert "".join(outputs[2][0]["text"]) == "3\n"
    told = json.loads("".join(outputs[3][0]["text"]))
    assert told["prefix"].startswith(f"{stack.home.root}/environments/")
    assert told["yaml"].startswith(told["prefix"])
    assert not told["platform"]
    if os.geteuid() == 0:
        assert told["uid"] == prepare_accounts().of("run").uid
        assert not told["writable"]
