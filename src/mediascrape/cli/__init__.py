"""The `mediascrape` command: one file per command group, loaded when it is called."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from mediascrape.errors import MediascrapeError

#: Exit statuses, documented in the README. Errors carry their own (`MediascrapeError.exit_code`).
EXIT_IMPOSSIBLE = 1
EXIT_USAGE = 2
EXIT_JOBS_FAILED = 3
EXIT_INTERRUPTED = 130

#: A disk's own reasons to take no more.
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})

#: command -> (module, attribute, one line for the list); modules are imported only when called,
#: so that `mediascrape extract` and `--help` start without loading the queue or the store.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "scrape": ("scrape", "scrape_command", "Scrape pages and show the media found on them."),
    "extract": ("extract", "extract_command", "List the media of a local HTML document; no network."),
    "submit": ("submit", "submit_command", "Add pages to the queue and return."),
    "serve": ("serve", "serve_command", "Serve the API, the gallery and the dashboard, and work."),
    "demo": ("demo", "demo_command", "Try it all on a bundled sample site, without the internet."),
    "worker": ("worker", "worker_command", "Work on the queue until stopped."),
    "monitor": ("monitor", "monitor_command", "Show the queue's counts, rates and failed jobs."),
    "jobs": ("jobs", "jobs_group", "List, show, retry, remove and clean jobs."),
    "queue": ("queue", "queue_group", "Pause, resume, drain and count the queue."),
    "schedule": ("schedule", "schedule_group", "Scrape pages again and again: every hour, by cron."),
    "media": ("media", "media_group", "List and export what was found."),
    "store": ("store", "store_group", "Copy, prune and vacuum the database."),
    "loadtest": ("loadtest", "loadtest_command", "Put this machine under load and measure it."),
    "doctor": ("doctor", "doctor_command", "Say what is wrong with this machine's set-up."),
    "completion": ("completion", "completion_command", "Print the completion script of a shell."),
}


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """That nobody reads our output to its end (`| head`) is no failure; click would make it status 1."""
    try:
        yield
    except BrokenPipeError:
        _discard_output()
        raise click.exceptions.Exit(0) from None


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"mediascrape.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            meant = f"scrape {name}" if "://" in name else next(iter(get_close_matches(name, COMMANDS)), None)
            hint = f" Did you mean `mediascrape {meant}`?" if meant else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reader_may_leave():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_leave():
            status = super().invoke(ctx)
            sys.stdout.flush()
        return status

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


EPILOG = """\b
First steps:
  mediascrape scrape https://example.org            the media of one page
  mediascrape scrape --file urls.txt --format csv   of many, as CSV
  mediascrape doctor                                is everything set up?

\b
Exit status: 0 all done, 1 not possible (no such job, ...), 2 wrong usage, 3 some jobs failed,
4 Valkey or the database is out of reach, 130 interrupted.
"""


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(None, "-V", "--version", package_name="mediascrape", message="%(prog)s %(version)s")
def cli() -> None:
    """Page URLs in; every image, video, audio file and embed on those pages out.

    Pages go through a durable, BullMQ-compatible queue. With no settings at all an embedded
    Valkey and a SQLite database in your data directory serve; set REDIS_URL and DATABASE_URL
    to share the work among many machines.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and turn every expected failure into a message and an exit status."""
    _prepare_streams()
    try:
        status = cli.main(args=arguments, prog_name="mediascrape", standalone_mode=False)
    except click.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MediascrapeError as error:
        _tell(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in _DISK:
            raise
        _discard_output()
        _tell(f"cannot write: {error.strerror}")
        sys.exit(EXIT_IMPOSSIBLE)
    sys.exit(status if isinstance(status, int) else 0)


def _prepare_streams() -> None:
    """Make standard streams that are closed, or of an encoding without a page's letters, fit to write to."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us (`>&-`)
            setattr(sys, name, Path(os.devnull).open("r" if name == "stdin" else "w"))  # noqa: SIM115 (for good)
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """What is still buffered must not fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(message: str) -> None:
    from mediascrape.cli.terminal import console

    console(stderr=True).print(f"mediascrape: error: {message}", style="red", soft_wrap=True)
