"""`python -m bench.conformance FOLDER`: run the corpora of a folder against the emulator."""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from bench.conformance import corpora, reporting
from bench.conformance.corpora import Case
from bench.conformance.running import Outcome, run_case
from bench.conformance.server import Rest, emulator

_CLIENTS = 4
_DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"


def main() -> int:
    """Run the cases, print the figures, write docs/conformance.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.conformance", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with recorded.jsonl, queries.jsonl, functions.jsonl")
    parser.add_argument("--only", default="", help="run the cases whose id has this text")
    parser.add_argument("--details", type=Path, help="write every outcome there, as JSON lines")
    arguments = parser.parse_args()
    cases = [case for case in corpora.read(arguments.folder) if arguments.only in case.id]
    if not cases:
        parser.error(f"'{arguments.folder}' has no cases. Give a folder with recorded.jsonl and its siblings.")
    with emulator() as (url, signer):
        outcomes = _run_all(lambda: Rest(url, signer), cases)
    if arguments.details:
        arguments.details.write_text("\n".join(json.dumps(_detail(item)) for item in outcomes) + "\n")
    print(reporting.screen(outcomes))
    print(reporting.json_lines(outcomes))
    if not arguments.only:
        reporting.write_document(_DOCUMENT, outcomes)
    return 0


def _run_all(connect: Callable[[], Rest], cases: list[Case]) -> list[Outcome]:
    """Run the cases with a few clients at once; give the outcomes in the cases' order."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(cases)):
        waiting.put(index)
    outcomes: dict[int, Outcome] = {}
    numbers = itertools.count()

    def work() -> None:
        rest = connect()
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                rest.close()
                return
            outcomes[index] = run_case(rest, cases[index], next(numbers))

    threads = [threading.Thread(target=work) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[index] for index in range(len(cases))]


def _detail(item: Outcome) -> dict[str, object]:
    found: dict[str, object] = {name: getattr(item, name) for name in item.__slots__ if name != "case"}
    return {"corpus": item.case.corpus, "id": item.case.id, **found}


if __name__ == "__main__":
    raise SystemExit(main())
