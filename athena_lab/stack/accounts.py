"""Users of the machine: one a trust level when started as root, else the caller alone."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace

from athena_lab.errors import ConfigurationError

ROLES = ("emulator", "gateway", "postgres", "airflow", "analyst", "run")
KERNEL_STARTER = ("setuid", "setgid", "kill")
"""What a process needs to start a run's kernel as another user and to stop it (capabilities(7))."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user that processes run as, and the capabilities that they keep."""

    name: str
    uid: int
    gid: int
    capabilities: tuple[str, ...] = ()

    def with_capabilities(self, *names: str) -> Account:
        return replace(self, capabilities=names)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who runs what; `is_isolated` is False where everybody is the caller."""

    by_role: dict[str, Account]
    is_isolated: bool

    def of(self, role: str) -> Account:
        return self.by_role[role]


def prepare_accounts() -> Accounts:
    """Make the users where the caller may (root), else give every role to the caller."""
    if os.geteuid() != 0:
        caller = Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid())
        return Accounts(dict.fromkeys(ROLES, caller), is_isolated=False)
    accounts = Accounts({role: _ensure_user(f"athena-{role}") for role in ROLES}, is_isolated=True)
    _check_python_is_readable(accounts.of("analyst"))
    return accounts


def launch_prefix(account: Account, *, is_isolated: bool, death_signal: str = "TERM") -> tuple[str, ...]:
    """Give the words in front of a command that make it run as `account` and die with its starter.

    setpriv sets the parent-death signal last, after the change of user that would clear it (prctl(2)).
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if is_isolated:
            raise ConfigurationError(
                "Cannot start processes as users of their own: 'setpriv' is not installed. "
                "Install util-linux, or start Athena as a plain user."
            )
        return ()
    words = [setpriv, "--pdeathsig", death_signal]
    if is_isolated:
        # "-all" drops what root holds; the bounding set keeps a set-user-ID program from regaining it.
        kept = ",".join(["-all", *(f"+{name}" for name in account.capabilities)])
        words += ["--reuid", account.name, "--regid", str(account.gid), "--init-groups", "--no-new-privs"]
        words += ["--inh-caps", kept, "--ambient-caps", kept, "--bounding-set", kept]
    return (*words, "--")


def _ensure_user(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        _make_user(name)
        entry = pwd.getpwnam(name)
    return Account(name, entry.pw_uid, entry.pw_gid)


def _make_user(name: str) -> None:
    tool = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if tool is None:
        raise ConfigurationError(
            f"Cannot make the system user '{name}': 'useradd' is not installed. "
            f"Make the users {', '.join(f'athena-{role}' for role in ROLES)}, or start Athena as a plain user."
        )
    group = ["--gid", name] if _group_exists(name) else ["--user-group"]
    command = [tool, "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    done = subprocess.run([*command, *group, name], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 9):  # 9: another `athena up` made it in the meantime (useradd(8))
        raise ConfigurationError(
            f"Cannot make the system user '{name}': {done.stderr.strip()}. "
            f"Make it by hand with '{' '.join([*command, *group, name])}'."
        )


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _check_python_is_readable(account: Account) -> None:
    """Refuse an environment under a private folder: the other users could not start Python from it."""
    command = [*launch_prefix(account, is_isolated=True), sys.executable, "-P", "-c", "import athena_lab"]
    done = subprocess.run(command, capture_output=True, cwd="/", env={"PATH": "/usr/bin:/bin"}, check=False)
    if done.returncode != 0:
        raise ConfigurationError(
            f"Cannot run the Python environment '{sys.prefix}' as the user '{account.name}': it, or its interpreter "
            f"'{os.path.realpath(sys.executable)}', lies in a folder that other users cannot traverse. Clone Athena "
            "into a folder like /opt with a Python of the system, or start it as a plain user."
        )
