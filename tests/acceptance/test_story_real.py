"""The story on real input: half-hourly electricity demand of Victoria, loaded, explored, promoted, run and checked."""

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from athena_lab.gateway_api.terms import Parameter, ParameterType
from athena_lab.warehouse.connect import connect
from tests.acceptance.notebooks import notebook_of, promote
from tests.acceptance.running_stack import ATHENA, RunningStack

pytestmark = [pytest.mark.story, pytest.mark.stack, pytest.mark.timeout(600)]
EXPLORE = """%%athena daily
SELECT Date AS day, MAX(Demand) AS peak_mw, MAX(Temperature) AS max_temperature, LOGICAL_OR(Holiday) AS holiday
FROM energy.vic
GROUP BY day"""
WRITE = """%%athena written --into energy.daily_peak --mode replace
SELECT day, peak_mw, max_temperature, holiday FROM daily WHERE day >= @since ORDER BY day"""


@pytest.fixture(scope="module")
def data(request) -> Path:
    """Give the CSV file named by make story-real, else the one beside the clone."""
    named = os.environ.get("ATHENA_STORY_DATA")
    if named:
        return Path(named).absolute()
    file = request.getfixturevalue("shared_data") / "vic_electricity.csv"
    if not file.is_file():
        pytest.skip("../shared/data/vic_electricity.csv is absent")
    return file


def load(stack: RunningStack, data: Path) -> None:
    environment = os.environ | {"ATHENA_HOME": str(stack.home)}
    subprocess.run([ATHENA, "load", data, "energy.vic", "--replace"], env=environment, check=True, timeout=120)


def expected_of(data: Path, since: str) -> pd.DataFrame:
    """Compute with pandas what the promoted notebook must have written."""
    frame = pd.read_csv(data, parse_dates=["Date"])
    grouped = frame.groupby(frame["Date"].dt.date)
    daily = pd.DataFrame(
        {
            "peak_mw": grouped["Demand"].max(),
            "max_temperature": grouped["Temperature"].max(),
            "holiday": grouped["Holiday"].any(),
        }
    )
    daily = daily[daily.index >= pd.Timestamp(since).date()]
    return daily.rename_axis("day").reset_index()


def test_real_demand_is_loaded_promoted_and_equal_to_pandas(stack, data):
    load(stack, data)
    with stack.gateway() as gateway:
        client = connect(gateway)
        count = next(iter(client.query_and_wait("SELECT COUNT(*) AS n FROM energy.vic"))).n
    assert count == len(pd.read_csv(data))
    parameters = "import datetime\n\nsince = datetime.date(2013, 1, 1)"
    fixed = Parameter(name="since", type=ParameterType.DATE, value="2014-01-01")
    promotion = promote(stack, "peak demand", notebook_of(EXPLORE, WRITE, parameters=parameters), parameters=(fixed,))
    run = stack.start_run(promotion.job_id)
    assert stack.wait_run(run.id, "succeeded").parameters == {"since": "2014-01-01"}
    with stack.gateway() as gateway:
        rows = connect(gateway).query_and_wait("SELECT * FROM energy.daily_peak ORDER BY day")
        written = pd.DataFrame([dict(row.items()) for row in rows])
    pd.testing.assert_frame_equal(written, expected_of(data, "2014-01-01"), check_dtype=False)
