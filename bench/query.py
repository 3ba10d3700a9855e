"""What `%%athena` costs: CPU of a cell less the bare client's on the same query; baseline: `%%bigquery`'s."""

import contextlib
import io
import os
from collections.abc import Iterator

from bench.figures import Figure, median_cpu_ms
from bench.stacks import gateway_of, started

QUERY = "SELECT tariff_id, COUNT(*) AS n FROM sales.tariffs GROUP BY tariff_id"
ROUNDS = 60


def measure() -> Iterator[Figure]:
    """Run the same small query three ways in one process, in turn."""
    with started(loads_sample=True) as handle:
        os.environ["ATHENA_GATEWAY_URL"] = handle.url("gateway")
        os.environ["ATHENA_TOKEN_FILE"] = str(handle.token_file)
        with gateway_of(handle) as gateway:
            endpoint = gateway.get_warehouse_token().endpoint
        cpu = median_cpu_ms(_ways(endpoint), ROUNDS)
    ours, peer = cpu["athena"] - cpu["bare"], cpu["bigquery"] - cpu["bare"]
    yield Figure("query_overhead_ms", round(ours, 2), "ms CPU", round(peer, 2), ROUNDS)
    yield Figure("query_cell_ms", round(cpu["athena"], 2), "ms CPU", round(cpu["bigquery"], 2), ROUNDS)


def _ways(endpoint: str | None) -> dict:
    # Here and not above: the kernel's part reads the environment when it is first used.
    import bigquery_magics
    from IPython.core.interactiveshell import InteractiveShell

    from athena_lab.kernel.session import current_session

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "athena_lab")
    shell.run_line_magic("load_ext", "bigquery_magics")
    client = current_session().warehouse
    bigquery_magics.context.credentials = client._credentials
    bigquery_magics.context.project = client.project

    def athena():
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell_magic("athena", "ours", QUERY)
        return shell.user_ns["ours"].df()

    def bigquery():
        line = f"peers --use_rest_api --progress_bar_type none --bigquery_api_endpoint {endpoint}"
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            shell.run_cell_magic("bigquery", line, QUERY)
        return shell.user_ns["peers"]

    def bare():
        return client.query_and_wait(QUERY).to_dataframe(create_bqstorage_client=False)

    ways = {"bare": bare, "athena": athena, "bigquery": bigquery}
    for way in ways.values():
        assert len(way()) > 0
    return ways
