"""`%load_ext athena_lab`: register `%%athena` and `%athena`; everything heavy waits for the first cell."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import MAGIC_NO_VAR_EXPAND_ATTR

from athena_lab.errors import AthenaError
from athena_lab.kernel import report
from athena_lab.kernel.session import current_session

MAGIC = "athena"


def load(shell: Any) -> None:
    """Register the magics in an IPython shell, and note from now on which cells run."""
    report.watch(shell)

    def athena_cell(line: str, cell: str) -> Any:
        """Run the cell's SQL in the warehouse; `%athena help` shows the flags."""
        # Here and not above: the Google libraries take a second to import.
        from athena_lab.kernel import arguments  # noqa: PLC0415 (above)
        from athena_lab.kernel.cell import run_cell  # noqa: PLC0415 (above)

        session = current_session()

        def run() -> Any:
            read = arguments.read_line(line, shell.ev, session.settings.max_bytes)
            result = run_cell(session, read, cell, shell.user_ns)
            if read.name is not None:
                shell.user_ns[read.name] = result
            return result

        return _shortening(run, f"%%{MAGIC} {line}\n{cell}")

    def athena_line(line: str) -> Any:
        """Look around: `%athena tables`, `describe TABLE`, `cost`, `config`, `help`."""
        # Here and not above: the Google libraries take a second to import.
        from athena_lab.kernel import verbs  # noqa: PLC0415 (above)

        return _shortening(lambda: verbs.run_verb(current_session(), line), f"%{MAGIC} {line}")

    for function in (athena_cell, athena_line):
        # IPython would put `$name` and `{name}` into the line as text; parameters are live objects here.
        setattr(function, MAGIC_NO_VAR_EXPAND_ATTR, True)
    shell.register_magic_function(athena_cell, magic_kind="cell", magic_name=MAGIC)
    shell.register_magic_function(athena_line, magic_kind="line", magic_name=MAGIC)


def _shortening(run: Any, source: str) -> Any:
    try:
        return run()
    except (AthenaError, KeyboardInterrupt) as error:
        # Here and not above: only needed when something went wrong.
        from athena_lab.kernel import trouble  # noqa: PLC0415 (above)

        trouble.shorten(error, source)
        raise
