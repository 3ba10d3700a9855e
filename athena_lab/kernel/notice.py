"""One line of output that says what a cell will read, then that it runs, then what it did."""

from __future__ import annotations

import html
from typing import Any

from IPython.display import display


class Notice:
    """A line that is replaced in place; without a front end that can, each text is shown once."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str) -> None:
        """Show or replace the line."""
        bundle = {"text/plain": text, "text/html": f'<small class="jp-AthenaNotice">{html.escape(text)}</small>'}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
