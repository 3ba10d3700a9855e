"""What a Jupyter server that `athena up` did not start (Binder's, a Hub's) must have in its environment."""

from __future__ import annotations

import shlex

from athena_lab.errors import NotFoundError
from athena_lab.settings import Home
from athena_lab.stack.record import read_record


def exports(home: Home) -> str:
    """Give lines for a shell's `eval`; raise NotFoundError where no stack runs in the home."""
    record = read_record(home)
    if record is None:
        raise NotFoundError(
            f"Cannot tell the environment of '{home.root}': Athena does not run there. Start it with `athena up`."
        )
    values = {
        "ATHENA_GATEWAY_URL": record.urls["gateway"],
        "ATHENA_TOKEN_FILE": str(home.analyst / "token"),
        "JUPYTER_PATH": str(home.analyst / "jupyter" / "data"),
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())
