"""The kernel's entry in Jupyter's list of kernels, under the name that the notebooks ask for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

NAME = "athena"
DISPLAY_NAME = "Athena (Python 3)"


def kernelspec(python: str = sys.executable) -> dict[str, Any]:
    """Describe the kernel as Jupyter's kernel.json does."""
    return {
        "argv": [python, "-m", "athena_lab.kernel", "-f", "{connection_file}"],
        "display_name": DISPLAY_NAME,
        "language": "python",
        "metadata": {"debugger": True},
    }


def install_kernelspec(data: Path, python: str = sys.executable) -> Path:
    """Write the entry below a Jupyter data directory (one of JUPYTER_PATH); give its folder."""
    folder = data / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(kernelspec(python), indent=1) + "\n")
    return folder
