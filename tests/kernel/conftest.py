"""The real gateway and emulator that these tests run against."""

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parent.parent / "warehouse" / "platform_parts.py"
_SPEC = importlib.util.spec_from_file_location("athena_test_platform_parts", _PATH)
_PARTS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_PARTS)

parts, warehouse, sampled = _PARTS.parts, _PARTS.warehouse, _PARTS.sampled
