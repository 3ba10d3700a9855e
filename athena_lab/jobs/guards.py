"""Check the limits of a job's runs: retries, timeouts and budgets that make sense together."""

from __future__ import annotations

from collections.abc import Sequence

from athena_lab.errors import Fault
from athena_lab.gateway_api.jobs import PromoteRequest

MAX_DELAY_S = 24 * 3600
LEAST_BYTES = 10 * 1024**2
"""The least that BigQuery bills for a query; a smaller budget would let none run."""
MOST_BYTES = 10**18


def guard_faults(request: PromoteRequest) -> tuple[Fault, ...]:
    """Give every fault of a job's guards."""
    guards, name = request.guards, request.name[:100]
    faults: list[Fault] = []
    if not 1 <= guards.retry_delay_s <= MAX_DELAY_S:
        text = f"a retry after {guards.retry_delay_s} s is not possible. Use 1 to {MAX_DELAY_S}."
        faults.append(_fault("retry_delay_s", name, text))
    timeout_s = guards.cell_timeout_s
    if timeout_s is not None and timeout_s < 1:
        faults.append(_fault("cell_timeout_s", name, f"a cell cannot end in {timeout_s} s. Use 1 or more, or none."))
    elif timeout_s is not None and timeout_s > request.timeout_s:
        text = f"a cell may take {timeout_s} s and the whole run {request.timeout_s} s. Allow the run more."
        faults.append(_fault("cell_timeout_s", name, text))
    return (*faults, *_budget_faults(request))


def _budget_faults(request: PromoteRequest) -> Sequence[Fault]:
    faults, name = [], request.name[:100]
    budgets = {"run_bytes": request.guards.run_bytes, "month_bytes": request.guards.month_bytes}
    for field, count in budgets.items():
        if count is not None and not LEAST_BYTES <= count <= MOST_BYTES:
            text = f"a budget of {count} bytes is not possible. Use {LEAST_BYTES} (10 MB) to {MOST_BYTES}, or none."
            faults.append(_fault(field, name, text))
    run, month = budgets.values()
    if not faults and run is not None and month is not None and month < run:
        faults.append(_fault("month_bytes", name, "a month may cost less than one run. Raise the month's budget."))
    return faults


def _fault(field: str, name: str, text: str) -> Fault:
    return Fault(f"guards.{field}", f"Cannot schedule '{name}': {text}")
