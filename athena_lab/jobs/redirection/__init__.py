"""Redirection: a notebook made to read and write other tables than its text names, for a rehearsal.

`regions` finds the texts of a cell that may name tables, `places` the names in them, `code` what else a literal is
used for; `redirect` asks lineage which places count and changes those; `preparation` makes the tables to begin with.
"""

from athena_lab.jobs.redirection.preparation import TAG, preparation
from athena_lab.jobs.redirection.redirect import Redirection, redirect

__all__ = ["TAG", "Redirection", "preparation", "redirect"]
