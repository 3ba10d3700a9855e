"""Notebooks for the acceptance tests, made in memory."""

import json
from typing import Any

import nbformat

from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import Bundle, BundleUpload, PromoteRequest, Promotion, Source
from tests.acceptance.running_stack import RunningStack


def notebook_of(*cells: str, parameters: str | None = None) -> dict[str, Any]:
    """Make a notebook of code cells, the first tagged `parameters` if given."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "athena", "display_name": "Athena (Python 3)", "language": "python"}
    if parameters is not None:
        notebook.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in cells]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # a notebook keeps its cells' ids from one save to the next
    return json.loads(nbformat.writes(notebook))


def upload(gateway: GatewayClient, path: str, notebook: dict[str, Any]) -> Bundle:
    return gateway.upload_bundle(BundleUpload(notebook=notebook, source=Source(path=path, notebook_id=path)))


def promote(stack: RunningStack, name: str, notebook: dict[str, Any], **fields: Any) -> Promotion:
    """Promote a notebook under a name, wait until Airflow reports the version, and give the first answer."""
    name = f"{name} {stack.suffix}"
    with stack.gateway() as gateway:
        bundle = upload(gateway, f"{name}.ipynb", notebook)
        promotion = gateway.promote(PromoteRequest(bundle=bundle.hash, name=name, **fields))
    stack.wait_visible(promotion)
    return promotion
