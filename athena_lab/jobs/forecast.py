"""Forecast what a job costs a month: dry runs of its SQL cells as their owner, times its fires; kept a while."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from athena_lab.errors import AthenaError, NotFoundError
from athena_lab.gateway_api.forecasts import Forecast, Unestimated
from athena_lab.gateway_api.jobs import PromoteRequest
from athena_lab.gateway_api.terms import Parameter, ParameterType
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.bundle_content import read_archive
from athena_lab.jobs.bundle_store import BundleStore
from athena_lab.jobs.parameters import merge_parameters, resolve_parameters, secret_of
from athena_lab.jobs.schedule import count_fires
from athena_lab.warehouse.estimate import CURRENCY, TIB

SPAN = timedelta(days=30)
MOST_FIRES = 50_000
FRESH_FOR = timedelta(minutes=10)
MOST_CELLS = 100
QUICK_S = 0.3
"""How long whoever asks waits: a form is checked at each pause of typing."""
_REMEMBERED = 256
_SQL = re.compile(r"\s*%%(?:athena|bigquery|bqsql)\b[^\n]*\n(?P<sql>.*)", re.DOTALL)
_CODE = re.compile(r"\.query\(|\.query_and_wait\(|read_gbq|^\s*%(?:athena|bigquery)\b", re.MULTILINE)
Values = Mapping[str, Any]


class Estimator(Protocol):
    """Who dry-runs SQL on somebody's behalf."""

    def estimate_bytes(self, principal: Principal, sql: str, values: Values) -> int | None:
        """Give the bytes that a statement would read, None for a script; raise a UserError or PlatformError."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one run reads, and the cells that nobody can tell of."""

    bytes: int
    unestimated: tuple[Unestimated, ...]


class Forecasts:
    """Computes in a thread of its own, once a bundle, its values and its user; threads may share one."""

    def __init__(
        self, bundles: BundleStore, estimator: Estimator, price_per_tib: float, *, now: Callable[[], datetime]
    ) -> None:
        self._bundles, self._estimator, self._price, self._now = bundles, estimator, price_per_tib, now
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="forecast")
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, ...], tuple[datetime, Future[Estimate]]] = OrderedDict()

    def close(self) -> None:
        """Stop computing."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def of(self, request: PromoteRequest, principal: Principal) -> Forecast | None:
        """Give the forecast of a form, None where its bundle is not stored or nobody can estimate now."""
        try:
            declared = self._bundles.describe(request.bundle).parameters
        except AthenaError:
            return None
        now = self._now()
        parameters = merge_parameters(declared, request.parameters)
        try:
            values = values_of(parameters, now, request.schedule.timezone)
            future = self._begin(request.bundle, principal, values, now)
            found = future.result(timeout=QUICK_S)
        except TimeoutError:
            return Forecast(is_pending=True)
        except (AthenaError, ValueError, LookupError):
            return None  # what is wrong with the form is told by its faults
        schedule = request.schedule
        fires = 0 if schedule.cron is None else count_fires(schedule, *_span_of(request, now), MOST_FIRES)
        month = found.bytes * fires
        return Forecast(
            run_bytes=found.bytes,
            fires=fires,
            month_bytes=month,
            month_cost=round(month / TIB * self._price, 4),
            currency=CURRENCY,
            unestimated=found.unestimated,
        )

    def _begin(self, bundle: str, principal: Principal, values: Values, now: datetime) -> Future[Estimate]:
        key = (bundle, principal.user, repr(sorted(values.items())))
        with self._lock:
            until, known = self._known.get(key, (None, None))
            if known is None or until is None or until < now or (known.done() and known.exception() is not None):
                known = self._pool.submit(self._estimate, bundle, principal, values)
                self._known[key] = (now + FRESH_FOR, known)
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _estimate(self, bundle: str, principal: Principal, values: Values) -> Estimate:
        cells = read_archive(self._bundles.get(bundle)).notebook["cells"]
        total, unknown = 0, []
        for index, source in enumerate(_source_of(cell) for cell in cells[:MOST_CELLS]):
            found = _SQL.match(source)
            if found is None:
                if _CODE.search(source):
                    unknown.append(Unestimated(cell=index, why="its SQL is made by Python code"))
                continue
            count, why = self._dry_run(principal, found["sql"], values)
            total += count
            if why:
                unknown.append(Unestimated(cell=index, why=why))
        if len(cells) > MOST_CELLS:
            unknown.append(Unestimated(cell=MOST_CELLS, why=f"only the first {MOST_CELLS} cells are estimated"))
        return Estimate(total, tuple(unknown))

    def _dry_run(self, principal: Principal, sql: str, values: Values) -> tuple[int, str]:
        try:
            count = self._estimator.estimate_bytes(principal, sql, values)
        except NotFoundError:
            return 0, "a table that it reads does not exist yet"
        except AthenaError as error:
            return 0, next(iter(str(error).splitlines()), "")[:200]
        return (0, "it is a script of several statements") if count is None else (count, "")


def values_of(parameters: Sequence[Parameter], now: datetime, timezone: str) -> dict[str, Any]:
    """Give the values that a run now would have, as Python's own; secrets stand for any text."""
    given = resolve_parameters(parameters, {}, now, timezone)
    return {one.name: _typed(one, given.get(one.name, one.default)) for one in parameters}


def _typed(parameter: Parameter, value: Any) -> Any:
    if secret_of(parameter, value) is not None:
        return ""
    if parameter.type is ParameterType.DATE and isinstance(value, str):
        return date.fromisoformat(value)
    if parameter.type is ParameterType.DATETIME and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def _span_of(request: PromoteRequest, now: datetime) -> tuple[datetime, datetime]:
    schedule = request.schedule
    first, last = now + timedelta(microseconds=1), now + SPAN
    first = max(first, schedule.start) if schedule.start else first
    return first, min(last, schedule.end) if schedule.end else last


def _source_of(cell: Mapping[str, Any]) -> str:
    if cell.get("cell_type") != "code":
        return ""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)
