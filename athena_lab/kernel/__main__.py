"""Athena's kernel: `python -m athena_lab.kernel -f CONNECTION_FILE` is ipykernel with `%%athena` loaded."""

from __future__ import annotations

import sys
from pathlib import Path

from ipykernel.kernelapp import IPKernelApp

from athena_lab.kernel import profile


def main() -> None:
    """Start the kernel; what is in the working directory must not shadow what the kernel imports."""
    if sys.path and sys.path[0] in ("", str(Path.cwd())):
        del sys.path[0]
    profile.install()
    IPKernelApp.launch_instance(extra_extensions=["athena_lab"])


if __name__ == "__main__":
    main()
