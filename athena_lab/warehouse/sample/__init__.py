"""A small warehouse of an energy supplier, simulated from a seed: `load_sample(client)`."""

from athena_lab.warehouse.sample.loading import load_sample
from athena_lab.warehouse.sample.plan import Plan

__all__ = ["Plan", "load_sample"]
