"""`logstv completion`: the script with which a shell completes commands and options."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that can be told."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    context: typer.Context, shell: Annotated[Shell, typer.Argument(help="Whose script to print.", show_default=False)]
) -> None:
    """Print the script with which a shell completes commands and options, to be read when the shell starts."""
    root = context.find_root()
    # How a command is asked for its script: https://click.palletsprojects.com/en/stable/shell-completion/
    os.environ["_LOGSTV_COMPLETE"] = f"source_{shell}"
    root.command.main([], prog_name="logstv")
