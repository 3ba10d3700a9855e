"""Which processes run on one machine: started, watched and stopped (`athena up`)."""

from athena_lab.stack.down import down
from athena_lab.stack.handle import Handle, is_running, start
from athena_lab.stack.place import Options

__all__ = ["Handle", "Options", "down", "is_running", "start"]
