"""What a live kernel tells of itself for a promotion: which cells ran, which names it holds, what it has imported.

The front end asks with an execute request of no code, `silent`, whose `user_expressions` hold `EXPRESSION`; the answer
is the `application/json` of that expression: `gateway_api.bundles.KernelReport`.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections import deque
from collections.abc import Iterable
from importlib import metadata
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

EXPRESSION = "__import__('athena_lab.kernel.report', fromlist=['report']).report()"
"""What the front end sends; `report(with_distributions=False)` is quicker where no environment is locked."""
MOST_EXECUTIONS = 20_000
MOST_NAMES = 5_000
OWN = "athena-lab"
_executions: deque[dict[str, Any]] = deque(maxlen=MOST_EXECUTIONS)


class Report(dict[str, Any]):
    """The report as plain JSON, shown as such."""

    def _repr_json_(self) -> dict[str, Any]:
        return dict(self)

    def __repr__(self) -> str:
        return f"<Athena's report: {len(self['executions'])} executions, {len(self['names'])} names>"


def watch(shell: Any) -> None:
    """Note from now on which cells run."""
    shell.events.register("post_run_cell", _note)


def _note(result: Any) -> None:
    info = result.info
    is_counted = info is not None and info.store_history and result.execution_count is not None
    if not is_counted or not info.cell_id or result.error_before_exec is not None:
        return  # nothing ran, or no cell of a notebook did
    source = info.raw_cell.encode("utf-8", "surrogatepass")
    _executions.append(
        {
            "cell_id": info.cell_id,
            "source_sha256": hashlib.sha256(source).hexdigest(),
            "count": result.execution_count,
        }
    )


def report(*, with_distributions: bool = True) -> Report:
    """Give the report of this kernel. Cells that ran before the extension was loaded are not in it."""
    # Here and not above: the shell is there only in a kernel.
    from IPython import get_ipython  # noqa: PLC0415 (above)

    shell = get_ipython()
    return Report(
        executions=list(_executions),
        names=_live_names(shell) if shell is not None else [],
        distributions=_imported_distributions() if with_distributions else [],
        python=platform.python_version(),
    )


def _live_names(shell: Any) -> list[str]:
    """Name what the user's cells have made: neither IPython's own names nor private ones."""
    hidden = set(shell.user_ns_hidden)
    names = [name for name in list(shell.user_ns) if not name.startswith("_") and name not in hidden]
    return sorted(name for name in names if name not in ("In", "Out", "exit", "quit", "get_ipython"))[:MOST_NAMES]


def _imported_distributions() -> list[dict[str, Any]]:
    """Describe the distributions whose modules are imported, and those that they require in their turn."""
    of_module = metadata.packages_distributions()
    modules = {name.partition(".")[0] for name in list(sys.modules)}
    pending = [name for module in modules for name in of_module.get(module, ())] + _editable_ones()
    found: dict[str, dict[str, Any]] = {}
    while pending:
        name = pending.pop()
        key = name.lower().replace("_", "-").replace(".", "-")
        if key in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # what another platform or an extra would need
        found[key] = _describe(distribution)
        if key != OWN:  # JupyterLab is one of its requirements; whoever locks adds what a run's kernel needs of them
            pending += _required_by(distribution)
    return sorted(found.values(), key=lambda item: str(item["name"]).lower())


def _editable_ones() -> list[str]:
    """Name the editable distributions that an imported module lies in: their metadata does not list modules."""
    paths = [path for module in list(sys.modules.values()) if (path := getattr(module, "__file__", None))]
    found = []
    for distribution in metadata.distributions():
        origin = _origin(distribution.read_text("direct_url.json"))
        if origin.get("dir_info", {}).get("editable"):
            folder = unquote(urlsplit(str(origin.get("url"))).path).rstrip("/") + "/"
            if any(path.startswith(folder) and "-packages" not in path for path in paths):
                found.append(str(distribution.metadata["Name"]))
    return found


def _describe(distribution: metadata.Distribution) -> dict[str, Any]:
    origin = _origin(distribution.read_text("direct_url.json"))
    return {
        "name": distribution.metadata["Name"],
        "version": distribution.version,
        "is_editable": bool(origin.get("dir_info", {}).get("editable")),
        "direct_url": _without_secrets(origin["url"]) if origin.get("url") else None,
    }


def _origin(text: str | None) -> dict[str, Any]:
    """Read where a distribution came from, if it came from no index (PEP 610)."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _required_by(distribution: metadata.Distribution) -> Iterable[str]:
    # Here and not above: only a report with distributions needs it.
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 (above)

    for text in distribution.requires or ():
        try:
            found = Requirement(text)
        except InvalidRequirement:
            continue  # metadata of before there were rules
        if found.marker is None or found.marker.evaluate({"extra": ""}):
            yield found.name
