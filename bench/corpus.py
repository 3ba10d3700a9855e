"""Print the figures of the corpora, as JSON lines: slices and lineage."""

import importlib
import importlib.util
import sys

PARTS = ("slices", "lineage")


def main() -> int:
    for part in PARTS:
        name = f"bench.corpus_{part}"
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not there yet", file=sys.stderr)
            continue
        for figure in importlib.import_module(name).measure():
            figure.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
