"""Report an attempt to the gateway from a thread of its own: heartbeats, cells, outputs; and hear when to stop."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from athena_lab import errors
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.worker import Attempt, CellEvent, Finish

_log = logging.getLogger("athena_lab.airflow")


class StopReason(StrEnum):
    """Why an attempt was stopped before its notebook ended."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    ENDED_BY_AIRFLOW = "ended_by_airflow"

    @property
    def is_gentle(self) -> bool:
        """Whether the kernel is interrupted first, so that it can cancel its query."""
        return self in (StopReason.CANCELLED, StopReason.TIMED_OUT, StopReason.ENDED_BY_AIRFLOW)

    @property
    def is_reported(self) -> bool:
        return self.is_gentle


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long, in seconds."""

    heartbeat_s: float = 1.5
    retry_s: float = 0.5
    give_up_s: float = 60.0
    grace_s: float = 5.0


class Reporter:
    """Keep the gateway informed; a gateway that restarts meanwhile is waited for, up to `give_up_s`."""

    def __init__(self, client: GatewayClient, attempt: Attempt, pace: Pace | None = None) -> None:
        self.stop_reason: StopReason | None = None
        self._client, self._attempt, self._pace = client, attempt, pace or Pace()
        self._token = attempt.token
        self._condition = threading.Condition()
        self._events: deque[CellEvent] = deque()
        self._output: bytes | None = None
        self._finish: Finish | None = None
        self._is_done = False
        self._down_since: float | None = None
        self._interrupt: Callable[[], None] = lambda: None
        self._kill: Callable[[], None] = lambda: None
        self._kill_timer: threading.Timer | None = None
        self._deadline = time.monotonic() + attempt.timeout_s
        self._thread = threading.Thread(target=self._run, name="athena-reporter", daemon=True)

    def start(self, interrupt: Callable[[], None], kill: Callable[[], None]) -> None:
        """Begin to report; `interrupt` and `kill` stop the kernel and are called from any thread."""
        self._interrupt, self._kill = interrupt, kill
        self._thread.start()

    def token(self) -> str:
        """Give the run's present token."""
        return self._token

    def is_stopping(self) -> bool:
        return self.stop_reason is not None

    def tell_cell(self, index: int, state: str, cells_total: int, error: str | None = None) -> None:
        event = CellEvent(index=index, state=state, at=datetime.now(UTC), cells_total=cells_total, error=error)
        with self._condition:
            self._events.append(event)
            self._condition.notify()

    def tell_output(self, notebook: bytes) -> None:
        with self._condition:
            self._output = notebook
            self._condition.notify()

    def stop(self, reason: StopReason) -> None:
        """Stop the kernel: gently first where that helps, by force at the latest after `grace_s`."""
        with self._condition:
            if self.stop_reason is not None:
                return
            self.stop_reason = reason
        _log.info("Stopping the run's kernel: %s", reason)
        if not reason.is_gentle:
            self._kill()
            return
        self._interrupt()
        self._kill_timer = threading.Timer(self._pace.grace_s, self._kill)
        self._kill_timer.daemon = True
        self._kill_timer.start()

    def finish(self, state: str, error: str | None = None) -> None:
        """Send what is left and then the end; wait for it.

        Raises UnreachableError if the gateway did not come back in time, ConflictError if another attempt has begun.
        """
        with self._condition:
            self._finish = Finish(state=state, at=datetime.now(UTC), error=error)
            self._condition.notify()
        self._thread.join()
        self.close()
        if self.stop_reason is StopReason.SUPERSEDED:
            raise errors.ConflictError("Cannot finish the attempt: another one has begun. Nothing is to be done.")
        if self._finish is not None:
            raise errors.UnreachableError(
                "Cannot report the end of the run: the gateway did not take it. Check it with `athena status`."
            )

    def close_unless_ending(self) -> None:
        """Stop reporting at once when an exception that nobody reports is passing by."""
        if sys.exc_info()[0] is not None:
            self.close()

    def close(self) -> None:
        """Stop reporting at once."""
        with self._condition:
            self._is_done = True
            self._condition.notify()
        if self._kill_timer is not None:
            self._kill_timer.cancel()

    # -- the thread

    def _run(self) -> None:
        beat_at = time.monotonic()
        while True:
            with self._condition:
                self._condition.wait_for(self._has_work, timeout=self._wait_s(beat_at))
                if self._is_done:
                    return
            now = time.monotonic()
            if now >= self._deadline:
                self.stop(StopReason.TIMED_OUT)
            is_due = (now >= beat_at or self._down_since is not None) and self._finish is None
            if not self._attempt_to(self._beat if is_due else self._send_next):
                return
            if is_due:
                beat_at = now + self._pace.heartbeat_s

    def _has_work(self) -> bool:
        if self._down_since is not None:
            return self._is_done
        return self._is_done or bool(self._events) or self._output is not None or self._finish is not None

    def _wait_s(self, beat_at: float) -> float:
        if self._down_since is not None:
            return self._pace.retry_s
        if self.is_stopping():
            return self._pace.retry_s
        return max(0.0, min(beat_at, self._deadline) - time.monotonic())

    def _beat(self) -> None:
        beat = self._client.heartbeat(self._attempt.run_id, self._attempt.attempt)
        self._token = beat.token
        if beat.is_cancelled:
            self.stop(StopReason.CANCELLED)

    def _send_next(self) -> None:
        """Send the oldest event, else the latest output, else the end; drop what was sent."""
        run, attempt = self._attempt.run_id, self._attempt.attempt
        if self._events:
            self._client.report_cell(run, attempt, self._events[0])
            self._events.popleft()
        elif (output := self._output) is not None:
            self._client.save_output(run, attempt, output)
            with self._condition:
                if self._output is output:
                    self._output = None
        elif self._finish is not None:
            self._client.finish_attempt(run, attempt, self._finish)
            self._finish = None
            self._is_done = True

    def _drop_next(self) -> None:
        """Give up what the gateway will never take: the run itself goes on."""
        if self._events:
            self._events.popleft()
        elif self._output is not None:
            self._output = None
        else:
            self._is_done = True

    def _attempt_to(self, send: Callable[[], None]) -> bool:
        """Send; say whether to go on. The platform's faults are waited for, refusals are final."""
        try:
            send()
        except errors.ConflictError:
            self.stop(StopReason.SUPERSEDED)
            return False
        except errors.PlatformError as error:
            return self._wait_for_gateway(error)
        except (errors.TooLargeError, errors.InvalidError) as error:
            _log.warning("%s", error)
            self._drop_next()
        except errors.UserError as error:
            _log.error("%s", error)
            self.stop(StopReason.REFUSED)
            return False
        self._down_since = None
        return True

    def _wait_for_gateway(self, error: errors.PlatformError) -> bool:
        now = time.monotonic()
        if self._down_since is None:
            _log.warning("%s Trying again for %.0f s.", error, self._pace.give_up_s)
            self._down_since = now
        if now - self._down_since < self._pace.give_up_s:
            return True
        self.stop(StopReason.UNREACHABLE)
        return False
