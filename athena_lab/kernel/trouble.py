"""A short rendering of errors in a cell's output: the message and the spot, not the vendor's stack."""

from __future__ import annotations

from athena_lab.errors import AthenaError, QuerySyntaxError


def shorten(error: AthenaError | KeyboardInterrupt, source: str) -> None:
    """Let IPython render this error briefly; `source` is the whole cell, its magic's line included.

    IPython asks an exception for `_render_traceback_`; the exception itself is raised as any other, so
    that a notebook's run fails.
    """
    lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ()), *_spot(error, source)]
    error._render_traceback_ = lambda: lines  # type: ignore[union-attr]


def _spot(error: BaseException, source: str) -> list[str]:
    lines = source.split("\n")
    if not isinstance(error, QuerySyntaxError) or not 1 <= error.line <= len(lines):
        return []
    margin = f"line {error.line}: "
    return [margin + lines[error.line - 1], " " * (len(margin) + error.column - 1) + "^"]
