"""Ask the gateway about every run that waits in this triggerer, in one request a round."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from athena_lab import errors
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.worker import WaitAnswer, WaitingRun, WaitQuery, run_id_of

AWAY_S = 5.0
"""How soon a gateway that did not answer is asked again."""
MOST_AT_ONCE = 500
_log = logging.getLogger("athena_lab.airflow")


class WaitRound:
    """The runs that wait in one event loop; asking goes on while there is one."""

    def __init__(self, gateway_url: str, key_file: Path) -> None:
        self._gateway_url, self._key_file = gateway_url, key_file
        self._waiting: dict[str, tuple[WaitingRun, asyncio.Future[None]]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def wait_for(self, run: WaitingRun) -> None:
        """Return once the run may begin."""
        key = run_id_of(run.dag_id, run.airflow_run_id)
        future = asyncio.get_running_loop().create_future()
        self._waiting[key] = run, future
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_on())
        try:
            await future
        finally:
            if self._waiting.get(key, (None, None))[1] is future:
                del self._waiting[key]

    async def _ask_on(self) -> None:
        while self._waiting:
            pause_s = AWAY_S
            runs = tuple(run for run, _ in self._waiting.values())
            for start in range(0, len(runs), MOST_AT_ONCE):
                try:
                    query = WaitQuery(runs=runs[start : start + MOST_AT_ONCE])
                    answer = await asyncio.to_thread(self._ask, query)
                except errors.AthenaError as error:
                    _log.warning("Runs wait on: %s", error)
                    break
                pause_s = answer.ask_again_s
                self._release(answer)
            await asyncio.sleep(pause_s)

    def _ask(self, query: WaitQuery) -> WaitAnswer:
        with GatewayClient(self._gateway_url, self._read_key) as client:
            return client.ask_waits(query)

    def _read_key(self) -> str:
        try:
            return self._key_file.read_text().strip()
        except OSError as error:
            raise errors.ConfigurationError(
                f"Cannot read the worker's key '{self._key_file}' ({error.strerror}). Start Athena with `athena up`."
            ) from error

    def _release(self, answer: WaitAnswer) -> None:
        for key in answer.ready:
            found = self._waiting.get(key)
            if found is not None and not found[1].done():
                found[1].set_result(None)


_rounds: dict[asyncio.AbstractEventLoop, WaitRound] = {}


async def wait_for(dag_id: str, airflow_run_id: str, job_id: str, version: int) -> None:
    """Wait, together with every other run of this triggerer, until the run may begin."""
    loop = asyncio.get_running_loop()
    if loop not in _rounds:
        _rounds[loop] = WaitRound(_required("ATHENA_GATEWAY_URL"), Path(_required("ATHENA_WORKER_KEY_FILE")))
    run = WaitingRun(dag_id=dag_id, airflow_run_id=airflow_run_id, job_id=job_id, version=version)
    await _rounds[loop].wait_for(run)


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise errors.ConfigurationError(f"Cannot ask the gateway: {name} is not set. Start Athena with `athena up`.")
    return value
