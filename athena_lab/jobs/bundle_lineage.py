"""The lineage of bundles: computed when asked for, as the caller sees the warehouse, and remembered for a while.

It is no part of a bundle: the analysis may improve and tables may change without another content hash.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from athena_lab.errors import PlatformError
from athena_lab.gateway_api.jobs import Bundle
from athena_lab.gateway_api.lineage import Lineage, UnknownTable
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.bundle_content import read_archive
from athena_lab.jobs.bundle_store import BundleStore
from athena_lab.jobs.class_rules import Classes
from athena_lab.warehouse import lineage

FRESH_FOR = timedelta(minutes=5)
"""Columns may be added to a table meanwhile."""
CLASSES_FOR = timedelta(seconds=15)
RETRY_AFTER = timedelta(seconds=10)
"""How soon a warehouse that did not answer is asked again."""
MOST_DESCRIBED = 200
_REMEMBERED = 256
_LOG = logging.getLogger(__name__)


class TableReader(Protocol):
    """Who reads tables (`dataset.table`) in the warehouse; each method raises a PlatformError if that is away."""

    def columns_of(self, principal: Principal, tables: Collection[str]) -> Mapping[str, Collection[str]]:
        """Give the columns of those of the tables that the caller may see."""

    def classes_of(self, tables: Collection[str]) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """Give the classes of each column of those of the tables that there are, whoever asks."""


class BundleLineage:
    """Follows stored bundles; threads may share one."""

    def __init__(
        self, bundles: BundleStore, warehouse: TableReader, project: str, *, now: Callable[[], datetime]
    ) -> None:
        self._bundles, self._warehouse, self._project, self._now = bundles, warehouse, project, now
        self._classes: dict[str, tuple[datetime, Mapping[str, frozenset[str]] | None]] = {}
        self._known: OrderedDict[tuple[str, str], tuple[datetime, Lineage]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def project(self) -> str:
        """The project whose tables are named without it."""
        return self._project

    def of(self, content_hash: str, principal: Principal) -> Lineage:
        """Follow a bundle's notebook; raise NotFoundError or UpstreamError where the bundle is not stored whole."""
        key = (content_hash, principal.user)
        with self._lock:
            until, known = self._known.get(key, (None, None))
        if known is not None and until is not None and self._now() < until:
            return known
        found = self._follow(read_archive(self._bundles.get(content_hash)).notebook, principal)
        with self._lock:
            self._known[key] = (self._now() + (FRESH_FOR if found.is_complete else RETRY_AFTER), found)
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found

    def classes_of(self, tables: Collection[str]) -> Classes:
        """Give the classes of the columns of those of the tables that there are; raise PlatformError."""
        now = self._now()
        with self._lock:
            known = {name: found for name, (until, found) in self._classes.items() if now < until}
        asked = [name for name in tables if name not in known]
        if asked:
            found = self._warehouse.classes_of(asked)
            known |= {name: found.get(name) for name in asked}
            with self._lock:
                self._classes = {name: (now + CLASSES_FOR, one) for name, one in known.items()}
        return {name: one for name in tables if (one := known[name]) is not None}

    def described(self, bundle: Bundle, principal: Principal) -> Bundle:
        """Give a bundle's description with its lineage."""
        return bundle.model_copy(update={"lineage": self.of(bundle.hash, principal)})

    def _follow(self, notebook: Mapping[str, Any], principal: Principal) -> Lineage:
        """Follow once for the tables that are read, then again with their columns."""
        projects = (self._project,)
        first = lineage.lineage_of_notebook(notebook, projects=projects)
        wanted = [name for name in (*first.reads, *first.writes) if "*" not in name][:MOST_DESCRIBED]
        if not wanted:
            return _wire_of(first, notebook, is_complete=True)
        try:
            schema = self._warehouse.columns_of(principal, wanted)
        except PlatformError as error:
            _LOG.warning("lineage is followed without the warehouse's columns: %s", error)
            return _wire_of(first, notebook, is_complete=False)
        again = lineage.lineage_of_notebook(notebook, schema=schema, projects=projects)
        return _wire_of(again, notebook, is_complete=True)


def _wire_of(found: lineage.Lineage, notebook: Mapping[str, Any], *, is_complete: bool) -> Lineage:
    """Number the cells as `CellSummary` does: code cells alone, from 0."""
    code = [at for at, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"]
    numbers: dict[int | None, int] = {at: number for number, at in enumerate(code)}
    return Lineage(
        reads=found.reads,
        writes=found.writes,
        unknown=tuple(UnknownTable(cell=numbers.get(item.cell), text=item.text) for item in found.unknown),
        columns=dict(found.columns),
        made=found.made,
        is_complete=is_complete,
    )
