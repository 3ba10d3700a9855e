"""Work done as another user: root never follows a path that the user could have bent."""

from __future__ import annotations

import os
import secrets
import traceback
from collections.abc import Callable
from pathlib import Path

from athena_lab.errors import ConfigurationError
from athena_lab.stack.accounts import Account


def run_as(account: Account, work: Callable[[], str]) -> str:
    """Run `work` in a child process of this user and give its text; raise ConfigurationError if it fails.

    Files that a user owns are read and written as that user, so that a symbolic link left in their
    folder reaches nothing that they could not reach themselves.
    """
    if account.uid == os.geteuid():
        return work()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _work_and_exit(account, work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise ConfigurationError(
            f"Cannot prepare the files of the user '{account.name}': {text or 'its process was killed'}. "
            "Correct the owner or mode of that file, or choose another state directory with ATHENA_HOME."
        )
    return text


def _work_and_exit(account: Account, work: Callable[[], str], writer: int) -> None:
    code = 1
    try:
        os.setgroups([account.gid])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        os.umask(0o077)
        text, code = work(), 0
    except OSError as error:
        text = f"{error.filename or ''} {error.strerror}".strip()
    except BaseException as error:  # noqa: BLE001 (the edge of a process: told to the parent, which raises)
        traceback.print_exc()
        text = type(error).__name__
    os.write(writer, text.encode())
    os._exit(code)


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file at once and durably, readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)


def read_if_present(path: Path) -> str:
    """Read a small file, "" where there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
