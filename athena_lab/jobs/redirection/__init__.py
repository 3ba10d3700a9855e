"""Redirection: a notebook made to read and write other tables than its text names, for a rehearsal.

`regions` finds the texts of a cell that may name tables, `places` and `expressions` the names in them, with the help of
the notebook's `constants`. Each place is given a mark as its name, and lineage follows the notebook so marked: `choice`
tells by the marks it met as tables, and by what else a literal is used for (`uses`), which places count. `redirect`
changes those and holds what comes out against lineage; `preparation` makes the tables to begin with.
"""

from athena_lab.jobs.redirection.preparation import NOTES, preparation
from athena_lab.jobs.redirection.redirect import Redirection, redirect

__all__ = ["NOTES", "Redirection", "preparation", "redirect"]
