"""The messages of the Storage APIs, without the vendor's clients: those import pandas, and double the start-up.

Upstream, the package's `__init__` imports everything that is in it; here only its `types` are loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

_PACKAGE = "google.cloud.bigquery_storage_v1"


def _load() -> Any:
    if _PACKAGE in sys.modules:
        return importlib.import_module(f"{_PACKAGE}.types")
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(_PACKAGE, name=_PACKAGE)
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(f"{_PACKAGE}.types")
    finally:
        del sys.modules[_PACKAGE]  # whoever wants the clients too gets the whole package


types: Any = _load()
