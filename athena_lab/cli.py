"""The `athena` command. Each subcommand imports its own part, so that none pays for the others' start-up."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from athena_lab.errors import AthenaError, NotFoundError, UserError
from athena_lab.settings import DEFAULT_PROJECT, Home, Settings, default_home

EXIT_USER, EXIT_USAGE, EXIT_PLATFORM = 1, 2, 3
Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; give 0, 1 (the user's to mend), 2 (usage) or 3 (the platform's to mend)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["emulator"]:
            return _run_emulator(words[1:])
        if words[:1] == ["gateway"]:
            return _run_gateway(words[1:])
        if words[:1] == ["jobs"]:
            return _run_jobs(words[1:])
        if words[:1] == ["secrets"]:
            return _run_secrets(words[1:])
        arguments = build_parser().parse_args(words)
        command: Command = arguments.command
        return command(arguments)
    except AthenaError as error:
        print(error, file=sys.stderr)
        return EXIT_USER if isinstance(error, UserError) else EXIT_PLATFORM
    except BrokenPipeError:
        # Whoever read the output has enough (`athena status | head`); Python would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 128 + 2  # what a shell gives for SIGINT


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="athena", description="An analyst's workbench on one machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands)
    _add(commands, "down", "stop the workbench", _down)
    status = _add(commands, "status", "show what runs", _status)
    status.add_argument("--json", action="store_true", help="as JSON")
    _add(commands, "environment", "print what another Jupyter server needs to find the stack", _environment)
    logs = _add(commands, "logs", "show the log of one process", _logs)
    logs.add_argument("name", metavar="NAME", help="a process as `athena status` names it, or `up`")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    sample = _add(commands, "sample", "fill the warehouse with sample data", _sample)
    sample.add_argument("--replace", action="store_true", help="replace the sample tables that are there")
    sample.add_argument("--if-empty", action="store_true", help="do nothing where the warehouse holds tables")
    load = _add(commands, "load", "load a CSV, JSON or Parquet file into a table", _load)
    load.add_argument("file", metavar="FILE", type=Path)
    load.add_argument("table", metavar="DATASET.TABLE")
    disposition = load.add_mutually_exclusive_group()
    disposition.add_argument("--replace", action="store_const", const="replace", dest="disposition")
    disposition.add_argument("--append", action="store_const", const="append", dest="disposition")
    slicing = commands.add_parser("slice", help="show which earlier cells one cell of a notebook needs")
    slicing.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    slicing.add_argument("--cell", metavar="INDEX", type=int, required=True, help="among all cells, from 0")
    slicing.add_argument("--json", action="store_true", help="as JSON")
    slicing.set_defaults(command=_slice)
    lineage = commands.add_parser("lineage", help="show which tables and columns a file reads and writes")
    lineage.add_argument("file", metavar="FILE", type=Path, help="a notebook, a .sql or a .py file")
    lineage.add_argument("--json", action="store_true", help="as JSON")
    lineage.set_defaults(command=_lineage)
    others = (
        ("emulator", "run the embedded BigQuery"),
        ("gateway", "run the gateway"),
        ("jobs", "see and change jobs"),
        ("secrets", "keep secrets for jobs"),
    )
    for name, text in others:
        commands.add_parser(name, help=text, add_help=False)  # taken by main() before
    return parser


def command_names() -> tuple[str, ...]:
    """Give the names of all subcommands."""
    actions = build_parser()._subparsers  # noqa: SLF001 (argparse offers no public way)
    return tuple(actions._group_actions[0].choices or ()) if actions else ()  # noqa: SLF001 (as above)


def _add(commands: argparse._SubParsersAction, name: str, text: str, command: Command) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--home", type=Path, metavar="DIR", help="state directory (default: ATHENA_HOME)")
    parser.set_defaults(command=command)
    return parser


def _add_up(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    parser = _add(commands, "up", "start the workbench", _up)
    parser.add_argument("--celery", action="store_true", help="run jobs on two Celery workers")
    parser.add_argument("--port", type=int, metavar="P", help="JupyterLab's port (default: 8888 or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open no browser")
    parser.add_argument("--no-lab", action="store_true", help="start no JupyterLab")
    parser.add_argument("--detach", action="store_true", help="return once everything is ready")
    parser.add_argument("--sample", action="store_true", help="fill an empty warehouse with sample data")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder that JupyterLab shows")


def _home(arguments: argparse.Namespace) -> Home:
    if arguments.home is not None:
        return Home(arguments.home.absolute())
    return Home(default_home(os.environ, is_root=os.geteuid() == 0))


def _up(arguments: argparse.Namespace) -> int:
    # Here, as in every command: only this one needs it.
    from athena_lab import stack  # noqa: PLC0415 (above)
    from athena_lab.stack.up import up  # noqa: PLC0415 (above)

    options = stack.Options(
        is_celery=arguments.celery,
        port=arguments.port,
        has_lab=not arguments.no_lab,
        opens_browser=not arguments.no_browser,
        loads_sample=arguments.sample,
        workspace=arguments.workspace,
    )
    home = _home(arguments)
    if arguments.detach:
        stack.start(home, options)
        return _status(argparse.Namespace(home=arguments.home, json=False))
    up(home, options, os.environ, _announce)
    return 0


def _announce(line: str) -> None:
    print(line, flush=True)


def _down(arguments: argparse.Namespace) -> int:
    from athena_lab import stack  # noqa: PLC0415 (as in _up)

    print("Athena is stopped." if stack.down(_home(arguments)) else "Athena was not running.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from athena_lab.stack import status  # noqa: PLC0415 (as in _up)

    found = status.read_status(_home(arguments))
    print(json.dumps(found, indent=1) if arguments.json else status.format_status(found))
    return 0


def _environment(arguments: argparse.Namespace) -> int:
    from athena_lab.stack import environment  # noqa: PLC0415 (as in _up)

    print(environment.exports(_home(arguments)))
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    folder = _home(arguments).logs
    names = sorted(path.stem for path in folder.glob("*.log"))
    if arguments.name not in names:
        have = f"There are: {', '.join(names)}." if names else "Start Athena with `athena up`."
        raise NotFoundError(f"Cannot show the log of '{arguments.name}': there is none in '{folder}'. {have}")
    with (folder / f"{arguments.name}.log").open(errors="replace") as log:
        while True:
            for line in log:
                print(line, end="", flush=True)
            if not arguments.follow:
                return 0
            time.sleep(0.2)


def _sample(arguments: argparse.Namespace) -> int:
    from athena_lab.gateway_api.client import GatewayClient  # noqa: PLC0415 (as in _up)

    with GatewayClient.from_settings(_settings(arguments)) as gateway:
        if arguments.if_empty and gateway.get_catalog().tables:
            _announce("The warehouse holds tables already.")
            return 0
        from athena_lab.warehouse import connect, sample  # noqa: PLC0415 (heavy, and not needed above)

        sample.load_sample(connect.connect(gateway), _announce, is_replacing=arguments.replace)
    return 0


def _load(arguments: argparse.Namespace) -> int:
    from athena_lab.gateway_api.client import GatewayClient  # noqa: PLC0415 (as in _up)
    from athena_lab.warehouse import connect, load  # noqa: PLC0415 (as in _up)

    with GatewayClient.from_settings(_settings(arguments)) as gateway:
        warehouse = connect.connect(gateway)
        load.load_file(warehouse, arguments.file, arguments.table, arguments.disposition or "create", _announce)
    return 0


def _slice(arguments: argparse.Namespace) -> int:
    from athena_lab.jobs.slicing import command  # noqa: PLC0415 (as in _up)

    found, cells = command.slice_file(arguments.notebook, arguments.cell)
    print(command.format_json(found) if arguments.json else command.format_text(found, cells))
    return 0


def _lineage(arguments: argparse.Namespace) -> int:
    from athena_lab.warehouse.lineage import command  # noqa: PLC0415 (as in _up)

    found = command.lineage_of_path(arguments.file, [os.environ.get("ATHENA_PROJECT") or DEFAULT_PROJECT])
    print(command.format_json(found) if arguments.json else command.format_text(found))
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    """Give the settings of the environment, else those of the stack that runs in the home."""
    from athena_lab.stack.record import read_record  # noqa: PLC0415 (as in _up)

    environ = dict(os.environ)
    home = _home(arguments)
    record = read_record(home)
    if record is not None:
        environ.setdefault("ATHENA_GATEWAY_URL", record.urls["gateway"])
        environ.setdefault("ATHENA_TOKEN_FILE", str(home.analyst / "token"))
    return Settings.from_environment(environ)


def _run_emulator(words: list[str]) -> int:
    from athena_lab.emulator.main import main as run  # noqa: PLC0415 (as in _up)

    return run(words)


def _run_gateway(words: list[str]) -> int:
    from athena_lab.gateway.main import main as run  # noqa: PLC0415 (as in _up)

    return run(words)


def _run_jobs(words: list[str]) -> int:
    from athena_lab.stack.jobs_command import run_jobs  # noqa: PLC0415 (as in _up)

    return run_jobs(words, lambda arguments: (_settings(arguments), _home(arguments)))


def _run_secrets(words: list[str]) -> int:
    from athena_lab.stack.secrets_command import run_secrets  # noqa: PLC0415 (as in _up)

    return run_secrets(words, _settings)


if __name__ == "__main__":
    sys.exit(main())
