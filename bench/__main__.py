"""Run the benchmarks named on the command line, or all."""

import importlib
import sys

NAMES = ("query", "run", "deploy", "emulator")


def main(arguments: list[str]) -> int:
    unknown = set(arguments) - set(NAMES)
    if unknown:
        print(
            f"Cannot run the benchmark '{min(unknown)}': there is none. Use one of {', '.join(NAMES)}.", file=sys.stderr
        )
        return 2
    for name in arguments or NAMES:
        for figure in importlib.import_module(f"bench.{name}").measure():
            figure.print()
    return 0


sys.exit(main(sys.argv[1:]))
