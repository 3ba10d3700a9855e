"""Withdraw tokens before their time, in a file that every verifier reads anew when it changes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from athena_lab.errors import ConfigurationError
from athena_lab.gateway.durable import replace_file
from athena_lab.gateway.keys import PUBLIC_MODE

_MARGIN_S = 120
"""Clocks of verifiers may differ by this much before a pruned entry could matter."""


class Revocations:
    """Keep `revoked.json`: `attempts` and `token_ids` for verifiers, `until` (Unix seconds) for pruning."""

    def __init__(self, path: Path, *, longest_life_s: int, now: Callable[[], datetime]) -> None:
        self._path = path
        self._keep = timedelta(seconds=longest_life_s + _MARGIN_S)
        self._now = now
        self._lock = threading.Lock()

    def revoke_attempts(self, run_id: str, attempt: int) -> None:
        """Withdraw every token of the run's attempts up to and including `attempt`."""
        with self._lock:
            content = self._read()
            attempts = content["attempts"]
            attempts[run_id] = max(attempt, attempts.get(run_id, 0))
            content["until"][run_id] = int((self._now() + self._keep).timestamp())
            self._write(content)

    def revoke_token(self, token_id: str) -> None:
        """Withdraw one token by its id."""
        with self._lock:
            content = self._read()
            content["token_ids"] = sorted({*content["token_ids"], token_id})
            content["until"][token_id] = int((self._now() + self._keep).timestamp())
            self._write(content)

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"Cannot revoke a token: '{self._path}' cannot be read ({error}). Run `athena gateway --init`."
            ) from error
        return {"attempts": {}, "token_ids": [], "until": {}} | content

    def _write(self, content: dict[str, Any]) -> None:
        now = self._now().timestamp()
        gone = {name for name, until in content["until"].items() if until < now}
        kept = {
            "attempts": {run: attempt for run, attempt in content["attempts"].items() if run not in gone},
            "token_ids": [token for token in content["token_ids"] if token not in gone],
            "until": {name: until for name, until in content["until"].items() if name not in gone},
        }
        try:
            replace_file(self._path, json.dumps(kept, sort_keys=True).encode(), mode=PUBLIC_MODE)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot revoke a token: '{self._path}' cannot be written ({error.strerror}). "
                "Free space on the disk, or give the file back to the gateway's user."
            ) from error
