"""Runs that wait in one triggerer ask the gateway together, through its outages, and end one by one."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from athena_lab.airflow.wait_round import WaitRound
from athena_lab.errors import ConfigurationError
from athena_lab.gateway_api.worker import WaitingRun


def run(name):
    return WaitingRun(dag_id="athena__energy__daily", airflow_run_id=name, job_id="daily", version=1)


@pytest.fixture
def key_file(tmp_path, lab):
    (tmp_path / "worker.key").write_text("worker-key-that-only-workers-know\n")
    return tmp_path / "worker.key"


async def until(holds):
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def test_all_that_wait_are_asked_about_at_once_and_each_ends_for_itself(gateway, key_file):
    async def story():
        together = WaitRound(gateway.url, key_file)
        tasks = {name: asyncio.create_task(together.wait_for(run(name))) for name in ("one", "two", "three")}
        await until(lambda: ["one", "two", "three"] in gateway.asked)
        gateway.ready.add("two")
        await asyncio.wait_for(tasks["two"], 20)
        await until(lambda: gateway.asked[-1] == ["one", "three"])
        tasks["one"].cancel()
        await until(lambda: gateway.asked[-1] == ["three"])
        gateway.ready.add("three")
        await asyncio.wait_for(tasks["three"], 20)
        with suppress(asyncio.CancelledError):
            await tasks["one"]

    asyncio.run(story())


def test_a_gateway_that_is_away_is_waited_for(gateway, key_file, monkeypatch):
    monkeypatch.setattr("athena_lab.airflow.wait_round.AWAY_S", 0.02)

    async def story():
        gateway.stop()
        waiting = asyncio.create_task(WaitRound(gateway.url, key_file).wait_for(run("one")))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        gateway.ready.add("one")
        gateway.start()
        await asyncio.wait_for(waiting, 20)

    asyncio.run(story())


def test_a_triggerer_that_does_not_know_its_gateway_says_so(monkeypatch):
    from athena_lab.airflow import wait_round

    monkeypatch.delenv("ATHENA_GATEWAY_URL", raising=False)
    with pytest.raises(ConfigurationError, match="ATHENA_GATEWAY_URL is not set"):
        asyncio.run(wait_round.wait_for("athena__energy__daily", "one", "daily", 1))
