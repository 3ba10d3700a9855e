"""Wire models of what a job is going to cost."""

from __future__ import annotations

from athena_lab.gateway_api.wire import Wire


class Unestimated(Wire):
    """A cell (counted from 0 among all) whose bytes could not be estimated, and why."""

    cell: int
    why: str


class Forecast(Wire):
    """The cost of a job: bytes of one run by dry runs, times its fires in the next 30 days.

    `is_pending`: it is being computed; ask again in a moment. What is `unestimated` comes on top.
    """

    is_pending: bool = False
    run_bytes: int = 0
    fires: int = 0
    month_bytes: int = 0
    month_cost: float = 0.0
    currency: str = "USD"
    unestimated: tuple[Unestimated, ...] = ()
