"""Which of the gateway's routes a browser may reach through the labserver: the user's own, one by one."""

from __future__ import annotations

import re

_ID = r"[A-Za-z0-9_-]{1,200}"

# Left out on purpose: everything under /v1/worker; POST /v1/bundles, which only `draft` calls; and
# POST /v1/warehouse/token, because a browser has no use for that token and could leak it. Export and import of a job
# go by command, and so do the values of secrets: no page asks for them.
USER_ROUTES = tuple(
    (method, re.compile(pattern))
    for method, pattern in (
        ("GET", "version"),
        ("GET", "me"),
        ("GET", "catalog"),
        ("POST", "schedule/preview"),
        ("POST", "jobs/check"),
        ("GET", "jobs"),
        ("POST", "jobs"),
        ("GET", f"jobs/{_ID}"),
        ("DELETE", f"jobs/{_ID}"),
        ("GET", f"jobs/{_ID}/versions"),
        ("GET", rf"jobs/{_ID}/versions/\d{{1,9}}/promotion"),
        ("GET", rf"jobs/{_ID}/versions/\d{{1,9}}"),
        ("POST", f"jobs/{_ID}/(pause|resume|runs|diff|rollback|edit|clone|transfer|restore)"),
        ("GET", f"jobs/{_ID}/(dependencies|backfills|alerts)"),
        ("POST", f"jobs/{_ID}/(backfill|backfill/preview|alerts/test)"),
        ("POST", rf"jobs/{_ID}/backfills/\d{{1,9}}/cancel"),
        ("GET", "secrets"),
        ("GET", "runs"),
        ("GET", f"runs/{_ID}"),
        ("GET", f"runs/{_ID}/output"),
        ("POST", f"runs/{_ID}/cancel"),
        ("GET", "rehearsals"),
        ("POST", "rehearsals"),
        ("GET", f"rehearsals/{_ID}"),
        ("POST", f"rehearsals/{_ID}/cancel"),
    )
)


def is_allowed(method: str, path: str) -> bool:
    """Tell whether the route `path` (below `/v1/`) is one that a browser may call with `method`."""
    return any(method == verb and pattern.fullmatch(path) for verb, pattern in USER_ROUTES)
