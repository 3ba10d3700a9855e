"""Print the gateway's OpenAPI document: `python -m athena_lab.gateway.openapi > docs/openapi.json`."""

from __future__ import annotations

import json
import sys

from fastapi.openapi.utils import get_openapi

from athena_lab.gateway.app import make_app


def render() -> str:
    """Give the document as JSON text, the same for the same routes and models."""
    app = make_app()
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"bearer": []}]
    document["paths"]["/healthz"]["get"]["security"] = []
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
