"""The real gateway and emulator that these tests run against."""

from tests.warehouse.platform_parts import parts, sampled, warehouse

__all__ = ["parts", "sampled", "warehouse"]
