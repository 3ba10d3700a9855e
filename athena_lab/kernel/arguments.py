"""The line of `%%athena`: its own flags, and the spellings that `%%bigquery` has for them."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from athena_lab.errors import Fault, InvalidError

USAGE = """\
%%athena [name] [--params MAPPING] [--dry-run] [--max-bytes 10GB|none] [--max-results N]
         [--into DATASET.TABLE] [--mode create|append|replace] [--label key=value] [--no-cache] [--verbose]"""
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGTP]?)i?B?$", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}$")
_PARAMS = re.compile(r"(?:^|\s)--params(?:\s+|=)(?=[{$])")
MODES = ("create", "append", "replace")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the line says. `max_bytes` is None for no limit; `name` is the variable that gets the result."""

    name: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    is_dry_run: bool = False
    max_bytes: int | None = None
    max_results: int | None = None
    into: str | None = None
    mode: str = "create"
    labels: Mapping[str, str] = field(default_factory=dict)
    is_cached: bool = True
    is_verbose: bool = False


def read_line(line: str, evaluate: Callable[[str], Any], default_max_bytes: int | None) -> Arguments:
    """Read the magic's line; raise InvalidError with its faults.

    `evaluate` gives the value of a Python expression in the notebook: that is how `--params {"day": day}`
    and `--params $name` reach live objects, which never pass through text.
    """
    rest, params = _take_params(line, evaluate)
    try:
        found = _parser(default_max_bytes).parse_args(shlex.split(rest))
    except (argparse.ArgumentError, ValueError) as error:
        raise _invalid(str(error)) from error
    if found.name is not None and not found.name.isidentifier():
        raise _invalid(f"'{found.name}' cannot be the name of a variable")
    return Arguments(
        name=found.name,
        params=params,
        is_dry_run=found.dry_run,
        max_bytes=found.max_bytes,
        max_results=found.max_results,
        into=found.into,
        mode=found.mode,
        labels=dict(item.split("=", 1) for item in found.label),
        is_cached=not found.no_cache,
        is_verbose=found.verbose,
    )


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise argparse.ArgumentError(None, message)


def _parser(default_max_bytes: int | None) -> _Parser:
    parser = _Parser(prog="%%athena", add_help=False, allow_abbrev=False)
    parser.add_argument("name", nargs="?")
    parser.add_argument("--dry-run", "--dry_run", action="store_true")
    parser.add_argument("--max-bytes", "--maximum_bytes_billed", type=_size, default=default_max_bytes)
    parser.add_argument("--max-results", "--max_results", type=_count)
    parser.add_argument("--into", "--destination_table")
    parser.add_argument("--mode", choices=MODES, default="create")
    parser.add_argument("--label", action="append", type=_label, default=[])
    parser.add_argument("--no-cache", "--no_query_cache", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    # `%%bigquery` flags about how rows travel: there is one way here, so they change nothing.
    parser.add_argument("--use_bqstorage_api", action="store_true")
    parser.add_argument("--use_rest_api", action="store_true")
    parser.add_argument("--progress_bar_type")
    return parser


def _take_params(line: str, evaluate: Callable[[str], Any]) -> tuple[str, Mapping[str, Any]]:
    """Cut `--params …` out of the line before it is split into words: its braces hold spaces and quotes."""
    match = _PARAMS.search(line)
    if match is None:
        if re.search(r"(?:^|\s)--params\b", line):
            raise _invalid("--params needs a mapping in braces or $name")
        return line, {}
    start = match.end()
    end = _end_of_name(line, start) if line[start] == "$" else _end_of_braces(line, start)
    value = _value_of(line[start:end].removeprefix("$"), evaluate)
    if not isinstance(value, Mapping):
        raise _invalid(f"--params is a {type(value).__name__}, not a mapping")
    return f"{line[: match.start()]} {line[end:]}", value


def _value_of(text: str, evaluate: Callable[[str], Any]) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass  # not JSON, so a Python expression
    try:
        return evaluate(text)
    except Exception as error:
        raise _invalid(f"--params '{text}' cannot be evaluated ({type(error).__name__}: {error})") from error


def _end_of_name(line: str, start: int) -> int:
    match = re.compile(r"\$\w+").match(line, start)
    return match.end() if match else start + 1


def _end_of_braces(line: str, start: int) -> int:
    depth, quote = 0, ""
    index = start
    while index < len(line):
        char = line[index]
        if quote:
            index += char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "{[(") - (char in "}])")
            if depth == 0:
                return index + 1
        index += 1
    raise _invalid("the braces of --params are not closed")


def _size(text: str) -> int | None:
    if text.lower() == "none":
        return None
    match = _SIZE.match(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: write it as 500MB, 10GB or none")
    return int(float(match["number"]) * 1024 ** _POWERS[match["unit"].upper()])


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is no number of rows")
    return int(text)


def _label(text: str) -> str:
    if _LABEL.match(text) is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no label: write key=value in lower case, digits, - and _")
    return text


def _invalid(message: str) -> InvalidError:
    return InvalidError([Fault("line", f"Cannot read the line of %%athena: {message}. Usage:\n{USAGE}")])
