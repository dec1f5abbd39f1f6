"""`mediascrape completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(mediascrape completion bash)"     in ~/.bashrc
    zsh:   eval "$(mediascrape completion zsh)"      in ~/.zshrc
    fish:  mediascrape completion fish > ~/.config/fish/completions/mediascrape.fish
    """
    from mediascrape.cli import cli

    completer = get_completion_class(shell)
    assert completer is not None
    click.echo(completer(cli, {}, "mediascrape", "_MEDIASCRAPE_COMPLETE").source())
