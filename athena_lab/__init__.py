"""An analyst's workbench on JupyterLab: explore with %%athena, then promote to a scheduled job."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Register `%%athena` in an IPython shell; called by `%load_ext athena_lab`."""
    # Here and not above: Airflow's DAG processor imports this package without IPython or pandas.
    from athena_lab.kernel import extension  # noqa: PLC0415 (above)

    extension.load(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the built front end lies (source) and under which name (dest)."""
    return [{"src": "labextension", "dest": "athena-lab"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server which extension to start."""
    # Here and not above: only the Jupyter Server process needs tornado.
    from athena_lab.labserver import AthenaApp  # noqa: PLC0415 (above)

    return [{"module": "athena_lab.labserver", "app": AthenaApp}]
