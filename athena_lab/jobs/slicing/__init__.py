"""Slicing: which earlier cells a promoted cell needs, found without running anything.

A cell's text becomes a syntax tree (`source`); a reader goes through the cells in their order (`reading`), following
expressions, calls, statements and magics over a picture of the objects (`values`, `state`) and gathers each cell's
effects (`effects`); `slice` then goes backwards from the target and keeps whoever makes or changes what is needed.
"""

from athena_lab.jobs.slicing.slice import Execution, Slice, hash_source, slice_cells

__all__ = ["Execution", "Slice", "hash_source", "slice_cells"]
