"""`athena secrets …`: the user's secrets by name; a value comes from standard input, never from the command line."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr, ValidationError

from athena_lab.errors import Fault, InvalidError
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.secrets import SecretValue
from athena_lab.settings import Settings

Action = Callable[[GatewayClient, argparse.Namespace], str]


def run_secrets(words: Sequence[str], place: Callable[[argparse.Namespace], Settings]) -> int:
    """Run one command and print what it gave; `place` tells the settings of its arguments."""
    arguments = build_parser().parse_args(words)
    action: Action = arguments.action
    with GatewayClient.from_settings(place(arguments)) as gateway:
        print(action(gateway, arguments))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of `athena secrets`."""
    parser = argparse.ArgumentParser(prog="athena secrets", description="Your secrets, for parameters and alerts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    text = "keep a value under a name (asked for, or read from standard input)"
    _add(commands, "set", text, set_secret).add_argument("name", metavar="NAME", help="A-Z, 0-9 and _")
    listing = _add(commands, "list", "list the names of your secrets", list_secrets)
    listing.add_argument("--json", action="store_true", help="as JSON")
    _add(commands, "delete", "forget a secret", delete_secret).add_argument("name", metavar="NAME")
    return parser


def set_secret(gateway: GatewayClient, arguments: argparse.Namespace) -> str:
    """Ask for the value and keep it."""
    text = getpass.getpass("Value: ") if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    try:
        value = SecretValue(value=SecretStr(text))
    except ValidationError:
        message = (
            f"Cannot keep the secret '{arguments.name[:80]}': a value has 8 to 16,384 characters. Give such a one."
        )
        raise InvalidError([Fault("value", message)]) from None  # the cause would show the value
    return f"{gateway.set_secret(arguments.name, value).name} is kept."


def list_secrets(gateway: GatewayClient, arguments: argparse.Namespace) -> str:
    """List the names."""
    names = gateway.list_secrets()
    if arguments.json:
        return json.dumps([one.model_dump(mode="json") for one in names], indent=1)
    return "\n".join(f"{one.name}  set {one.set_at:%Y-%m-%d %H:%M} UTC" for one in names) or "You have no secrets."


def delete_secret(gateway: GatewayClient, arguments: argparse.Namespace) -> str:
    """Forget one."""
    gateway.delete_secret(arguments.name)
    return f"{arguments.name} is forgotten."


def _add(commands: argparse._SubParsersAction, name: str, text: str, action: Action) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--home", type=Path, metavar="DIR", help="state directory (default: ATHENA_HOME)")
    parser.set_defaults(action=action)
    return parser
