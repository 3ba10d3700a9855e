"""The state directory: its folders with owners and modes, its version, its short folder for sockets."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from athena_lab.errors import ConfigurationError
from athena_lab.settings import Home
from athena_lab.stack.accounts import Accounts
from athena_lab.stack.dropped import write_private

LAYOUT = 1
"""Number of the present layout (ARCHITECTURE.md, State); raised with a step in MIGRATIONS."""

Migration = Callable[[Home], None]
MIGRATIONS: Mapping[int, Migration] = {}
"""For each older layout the step to the next one."""

# What can stand in a home of which no start has got as far as writing VERSION.
_BEFORE_VERSION = {"logs", "stack.lock", "workspace"}


def check_version(home: Home, *, newest: int = LAYOUT, migrations: Mapping[int, Migration] | None = None) -> None:
    """Accept a new or present state directory, migrate an older one, refuse a newer or foreign one."""
    steps = MIGRATIONS if migrations is None else migrations
    version = _read_version(home)
    if version > newest:
        raise ConfigurationError(
            f"Cannot use the state directory '{home.root}': its layout is number {version}, this Athena knows up to "
            f"{newest}. Update Athena, or choose another directory with --home."
        )
    while version < newest:
        if version not in steps:
            raise ConfigurationError(
                f"Cannot use the state directory '{home.root}': its layout is number {version}, and this Athena "
                f"(layout {newest}) cannot migrate it. Use an older Athena, or move the directory away."
            )
        steps[version](home)
        version += 1
        write_private(home.root / "VERSION", f"{version}\n", mode=0o644)


def open_home(home: Home) -> None:
    """Make the state directory or accept the present one; raise ConfigurationError where that cannot be."""
    with _translating(home):
        check_version(home)
        home.root.mkdir(parents=True, exist_ok=True)
        home.logs.mkdir(exist_ok=True)


def prepare_layout(home: Home, accounts: Accounts, workspace: Path) -> None:
    """Make what is absent of the folders, with their owners and modes."""
    with _translating(home):
        home.root.mkdir(parents=True, exist_ok=True)
        _check_traversable(home.root, accounts)
        check_version(home)
        for path, role, mode in _folders(home, accounts, workspace):
            _ensure_folder(path, accounts.of(role).uid if role else None, accounts.of(role).gid if role else None, mode)
        write_private(home.root / "VERSION", f"{LAYOUT}\n", mode=0o644)


def sockets_folder(home: Home, accounts: Accounts) -> Path:
    """Make the folder of this home's Unix sockets: short, since a socket's path is at most 107 bytes (unix(7))."""
    folder = _sockets_path(home)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"Cannot use the folder of sockets '{folder}': it is no folder of '{os.geteuid()}'. Remove it."
        )
    folder.chmod(0o711 if accounts.is_isolated else 0o700)
    for role, group, mode in (("postgres", "airflow", 0o750), ("airflow", "airflow", 0o700)):
        _ensure_folder(folder / role, accounts.of(role).uid, accounts.of(group).gid, mode)
    return folder


def remove_sockets_folder(home: Home) -> None:
    """Remove what `sockets_folder` made; nothing may run any more."""
    shutil.rmtree(_sockets_path(home), ignore_errors=True)


def _sockets_path(home: Home) -> Path:
    name = hashlib.sha256(str(home.root).encode()).hexdigest()[:12]
    is_root = os.geteuid() == 0
    root = Path("/run") if is_root and Path("/run").is_dir() else Path("/tmp")  # noqa: S108 (its owner is checked)
    return root / f"athena-{os.geteuid()}-{name}"


@contextlib.contextmanager
def _translating(home: Home) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"Cannot use the state directory '{home.root}': '{error.filename}': {error.strerror}. "
            "Choose one that you may write with --home or ATHENA_HOME."
        ) from error


def _folders(home: Home, accounts: Accounts, workspace: Path) -> list[tuple[Path, str | None, int]]:
    private = [
        (home.gateway, "gateway"),
        (home.worker, "airflow"),
        (home.airflow, "airflow"),
        (home.emulator, "emulator"),
        (home.postgres, "postgres"),
        (home.analyst, "analyst"),
    ]
    folders: list[tuple[Path, str | None, int]] = [(path, role, 0o700) for path, role in private]
    folders += [
        (home.logs, None, 0o755),
        (home.public, "gateway", 0o755),
        (home.environments, "airflow", 0o755),
        (home.jobs_repository.parent, "gateway", 0o755),
    ]
    if workspace == home.workspace or not workspace.exists():
        folders.append((workspace, "analyst", 0o700))
    elif accounts.is_isolated:
        _check_workspace(workspace, accounts)
    return folders


def _check_workspace(workspace: Path, accounts: Accounts) -> None:
    """Refuse somebody's folder that the analyst's user could not write; never change its owner."""
    analyst = accounts.of("analyst")
    if workspace.stat().st_uid != analyst.uid:
        raise ConfigurationError(
            f"Cannot use the workspace '{workspace}': it does not belong to '{analyst.name}', as whom JupyterLab runs. "
            f"Run `chown -R {analyst.name} {workspace}`, or leave out --workspace."
        )


def _ensure_folder(path: Path, uid: int | None, gid: int | None, mode: int) -> None:
    """Make a folder; one that is there keeps its content and gets its owner and mode back."""
    path.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        raise ConfigurationError(f"Cannot use the folder '{path}': it is a symbolic link. Move its target there.")
    if uid is not None and gid is not None and os.geteuid() == 0:
        os.chown(path, uid, gid, follow_symlinks=False)
    path.chmod(mode)


def _check_traversable(root: Path, accounts: Accounts) -> None:
    """Refuse a home under a private folder: its other users could not reach their own folders."""
    if not accounts.is_isolated:
        return
    root.chmod(0o755)
    for parent in root.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise ConfigurationError(
                f"Cannot use the state directory '{root}': other users cannot traverse '{parent}'. "
                "Choose a directory like /var/lib/athena_lab with --home."
            )


def _read_version(home: Home) -> int:
    path = home.root / "VERSION"
    if not path.exists():
        present = {entry.name for entry in home.root.iterdir()} if home.root.exists() else set()
        if present - _BEFORE_VERSION:
            raise ConfigurationError(
                f"Cannot use the state directory '{home.root}': it holds other files and no VERSION of Athena's. "
                "Choose an empty directory with --home."
            )
        return LAYOUT
    text = path.read_text().strip()
    if not text.isdigit():
        raise ConfigurationError(
            f"Cannot use the state directory '{home.root}': its VERSION is no number. Restore it from a backup."
        )
    return int(text)
