"""A kernel's report says what ran in it, what it holds and what it has imported, in the words of the wire."""

import json
import os
import sys

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from athena_lab.gateway_api.bundles import KernelReport
from athena_lab.jobs.slicing import hash_source
from athena_lab.kernel.report import EXPRESSION


@pytest.fixture(scope="module")
def kernel():
    manager = KernelManager(kernel_name="athena")
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-m", "athena_lab.kernel", "-f", "{connection_file}"], display_name="", language="python"
    )
    manager.start_kernel(env=os.environ | {"ATHENA_GATEWAY_URL": ""})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(kernel, source, cell_id=None):
    """Execute as JupyterLab does: the cell's id is in the request's metadata."""
    content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    message = kernel.session.msg("execute_request", content, metadata={"cellId": cell_id} if cell_id else {})
    kernel.shell_channel.send(message)
    return answer(kernel, message["header"]["msg_id"])


def answer(kernel, message_id):
    while True:
        reply = kernel.get_shell_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message_id:
            return reply["content"]


def report(kernel, expression=EXPRESSION):
    message_id = kernel.execute("", silent=True, store_history=False, user_expressions={"athena": expression})
    result = answer(kernel, message_id)["user_expressions"]["athena"]
    assert result["status"] == "ok", result
    return KernelReport.model_validate_json(json.dumps(result["data"]["application/json"]))


def test_report_tells_executions_names_and_distributions(kernel):
    counts = [
        run(kernel, "import yaml as y, tzdata\nvalue = 1", "one")["execution_count"],
        run(kernel, "_private = 2\nraise ValueError", "two")["execution_count"],
        run(kernel, "%%time\nvalue = 3", "one")["execution_count"],
    ]
    run(kernel, "this is no Python", "never")
    run(kernel, "console = 1")
    found = report(kernel)
    assert [(item.cell_id, item.count) for item in found.executions] == list(
        zip(["one", "two", "one"], counts, strict=True)
    )
    assert found.executions[2].source_sha256 == hash_source("%%time\nvalue = 3")
    assert found.names == ("console", "tzdata", "value", "y")
    by_name = {item.name.lower(): item for item in found.distributions}
    assert {"pyyaml", "ipykernel", "tzdata", "traitlets"} <= set(by_name)
    assert "pytest" not in by_name
    assert by_name["athena-lab"].is_editable
    assert {"jupyterlab", "jupyter-server", "uv"} & set(by_name) == set(), "Athena requires them, and no run uses them"
    assert found.python.startswith("{}.{}.".format(*sys.version_info))


def test_asking_leaves_no_trace_and_distributions_may_be_left_out(kernel):
    before = report(kernel)
    after = report(kernel, EXPRESSION.removesuffix(")") + "with_distributions=False)")
    assert (after.executions, after.names, after.distributions) == (before.executions, before.names, ())
