"""A figure and how it is printed."""

import json
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the output; `baseline` is the peer's or the raw engine's figure of the same run."""

    name: str
    value: float
    unit: str
    baseline: float | None
    n: int

    def print(self) -> None:
        print(json.dumps(asdict(self)), flush=True)


def cpu_s() -> float:
    """CPU seconds of this process and of its ended children."""
    mine, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def median_cpu_ms(calls: dict[str, Callable[[], object]], n: int) -> dict[str, float]:
    """Median CPU milliseconds of each call; the calls take turns, so that both meet the same weather."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(n):
        for name, call in calls.items():
            before = time.process_time()
            call()
            samples[name].append((time.process_time() - before) * 1000)
    return {name: statistics.median(values) for name, values in samples.items()}
