"""The command line."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from . import cli_array, cli_fabric, cli_fault, cli_machine
from .config import Lab
from .errors import LabError
from .fabric.client import FabricError


def this_lab() -> Lab:
    """The lab of the checkout that this file is in."""
    return Lab(Path(__file__).resolve().parents[1], os.getuid())


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="A whole SAN in software: an array, two FC fabrics, two virtualization hosts."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for part in (cli_machine, cli_fabric, cli_array, cli_fault):
        part.add_commands(commands)
    return parser


def main(arguments: list[str]) -> int:
    """Run one command; errors that the user can act upon are one message, not a traceback."""
    options = make_parser().parse_args(arguments)
    try:
        return int(options.run(this_lab(), options) or 0)
    except (LabError, FabricError) as error:
        print(f"lab: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"lab: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
    return 1
