"""The Jupyter Server extension: reads the user's notebooks as the user, proxies the gateway, shows runs' outputs."""

from athena_lab.labserver.app import AthenaApp

__all__ = ["AthenaApp"]
