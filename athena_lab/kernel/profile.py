"""The kernel's start-up hook: other libraries' default BigQuery clients reach the same warehouse.

`bigquery.Client()`, pandas-gbq and the like ask `google.auth.default()` who they are, and make a Storage
client of their own that always goes to Google. Here both are answered as `%%athena` is: nothing is
imported or asked before a library does so itself, so that the start costs nothing and a gateway that is
down is told about only where it is needed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from athena_lab.kernel.session import current_session

Change = Callable[[ModuleType], None]
_LOOK_EVERY_S = 0.01


def install() -> None:
    """Change the Google libraries once they are imported; safe to call twice, and never raises.

    Outside the platform (no ATHENA_GATEWAY_URL) they are left as they are.
    """
    if not os.environ.get("ATHENA_GATEWAY_URL"):
        return
    for name, change in _CHANGES:
        if name in sys.modules:
            change(sys.modules[name])
        elif not any(isinstance(finder, _OnImport) and finder.name == name for finder in sys.meta_path):
            sys.meta_path.insert(0, _OnImport(name, change))


def _change_auth(module: ModuleType) -> None:
    # Here and not above: this runs only in a kernel that imports the Google libraries anyway.
    from athena_lab.warehouse import defaults  # noqa: PLC0415 (above)

    defaults.answer_default(module, lambda: current_session().credentials)


def _change_storage(module: ModuleType) -> None:
    # Here and not above: this runs only in a kernel that imports the Google libraries anyway.
    from athena_lab.warehouse import defaults  # noqa: PLC0415 (above)

    defaults.redirect_storage(module)


def _change_discovery(module: ModuleType) -> None:
    # Here and not above: this runs only in a kernel that imports the Google libraries anyway.
    from athena_lab.warehouse import defaults  # noqa: PLC0415 (above)

    defaults.redirect_discovery(module)


def _change_polling(module: ModuleType) -> None:
    # `to_dataframe` and `to_arrow` look only every 0.2 s whether their download has ended, so they end 0.2 s late.
    if hasattr(module, "_PROGRESS_INTERVAL"):
        vars(module)["_PROGRESS_INTERVAL"] = _LOOK_EVERY_S


_CHANGES: tuple[tuple[str, Change], ...] = (
    ("google.auth", _change_auth),
    ("googleapiclient.discovery", _change_discovery),
    ("google.cloud.bigquery_storage_v1.client", _change_storage),
    ("google.cloud.bigquery._pandas_helpers", _change_polling),
)


class _OnImport(MetaPathFinder):
    """Let one module load as it would, then change it."""

    def __init__(self, name: str, change: Change) -> None:
        self.name = name
        self._change = change

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ChangingLoader(spec.loader, self._change)
        return spec


class _ChangingLoader(Loader):
    """A module's own loader, followed by our change."""

    def __init__(self, loader: Loader, change: Change) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._change(module)
