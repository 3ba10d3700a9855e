"""The first task of a job that runs at a time and after updates: it waits in the triggerer, in no worker's slot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSuccessEvent, TriggerEvent

TASK_ID = "wait"


class WaitForUpdates(BaseOperator):  # type: ignore[misc]
    """Succeed once the gateway says that each table was updated since the job's run before.

    It never executes: the scheduler hands it to the triggerer at once, and the trigger ends it.
    """

    start_from_trigger = True
    ui_color = "#fef7e0"

    def __init__(self, *, job_id: str, version: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id, self.version = job_id, version
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{UpdatesTrigger.__module__}.{UpdatesTrigger.__qualname__}",
            trigger_kwargs={"job_id": job_id, "version": version},
            next_method="execute",
        )

    def execute(self, context: Mapping[str, Any], event: Any = None) -> None:  # noqa: ARG002 (Airflow's signature)
        """Say that the trigger did not end the task, which would otherwise run unasked."""
        raise AirflowFailException("Cannot wait for updates: no trigger ended the wait. Check `airflow triggerer`.")


class UpdatesTrigger(BaseTrigger):  # type: ignore[misc]
    """Waits for one run; all of a triggerer's are asked about in one request."""

    def __init__(self, job_id: str, version: int) -> None:
        super().__init__()
        self.job_id, self.version = job_id, version

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how the triggerer makes this trigger again."""
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}", {"job_id": self.job_id, "version": self.version}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """End the task successfully when its run may begin; a gateway that is away is waited for."""
        # Here and not above: the loader imports this module, and the DAG processor asks no gateway.
        from athena_lab.airflow import wait_round  # noqa: PLC0415 (above)

        instance: Any = self.task_instance
        await wait_round.wait_for(instance.dag_id, instance.run_id, self.job_id, self.version)
        yield TaskSuccessEvent()
