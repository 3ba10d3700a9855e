"""Run git in a closed environment: no user's configuration, no hooks, no prompts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from athena_lab.errors import ConfigurationError, UpstreamError

_TIMEOUT_S = 120.0
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.quotePath=false",
    "core.fsync=committed,reference",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "advice.detachedHead=false",
)


class GitError(UpstreamError):
    """Git refused or failed; `stderr` says why."""

    def __init__(self, message: str, stderr: str) -> None:
        self.stderr = stderr
        super().__init__(message)


class Git:
    """Git on one repository directory, without a work tree."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.held: tuple[int, ...] = ()
        """Descriptors of locks that git inherits: a git that outlives its killed parent still holds them."""

    def text(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command and give what it printed, without the last newline."""
        return self.run(arguments, env=env).decode("utf-8", "replace").rstrip("\n")

    def run(self, arguments: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run a command and give the bytes it printed; raise GitError."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        command = ["git", *settings, "--git-dir", str(self.directory), *arguments]
        return run_git(command, stdin=stdin, env=env, held=self.held)


def run_git(
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    held: tuple[int, ...] = (),
) -> bytes:
    """Run a whole git command line in the closed environment; raise GitError."""
    verb = next((part for part in command[1:] if part[0] not in "-/" and "=" not in part), "git")
    try:
        done = subprocess.run(
            list(command),
            input=stdin,
            capture_output=True,
            env=_closed(env or {}),
            timeout=_TIMEOUT_S,
            check=False,
            pass_fds=held,
        )
    except FileNotFoundError as error:
        raise ConfigurationError("Cannot keep jobs: the program 'git' is not installed. Install git.") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"Cannot finish 'git {verb}' in {_TIMEOUT_S:.0f} s. Check the jobs repository.", "") from error
    if done.returncode != 0:
        stderr = done.stderr.decode("utf-8", "replace").strip()
        why = _cause(stderr)[:200] or f"exit code {done.returncode}"
        raise GitError(f"Cannot finish 'git {verb}' on the jobs repository: {why}. Check the repository.", stderr)
    return done.stdout


def _cause(stderr: str) -> str:
    """Give the line of git's complaint that says why, such as that of a remote whose disk is full.

    The first error is the cause; what follows says only that something failed.
    """
    lines = [line.removeprefix("remote: ").strip(" .") for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:")) and "failed to push" not in line]
    return next(iter(errors or lines[-1:]), "")


def _closed(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SSH_AUTH_SOCK", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "GIT_NO_REPLACE_OBJECTS": "1",
        **extra,
    }
