"""Flags that several commands share, and the Settings they amount to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from mediascrape.cli.terminal import safe
from mediascrape.settings import Settings
from mediascrape.variables import describe_settings, unknown_variables

F = TypeVar("F", bound=Callable[..., Any])

_HELP = {setting.name: setting for setting in describe_settings()}


class _Concurrency(click.ParamType[Any]):
    name = "N|auto"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.name  # click would write AUTO, which is not taken

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "auto" or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor `auto`", param, ctx)


#: setting -> how its flag is declared; help texts come from the settings themselves.
_FLAGS: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
    "data_dir": (["--data-dir"], {"type": click.Path(file_okay=False)}),
    "redis_url": (["--redis-url"], {"metavar": "URL"}),
    "database_url": (["--database-url"], {"metavar": "URL"}),
    "queue_name": (["--queue-name"], {"metavar": "NAME"}),
    "log_level": (["--log-level"], {"type": click.Choice(["debug", "info", "warning", "error"])}),
    "host": (["--host"], {"metavar": "ADDRESS"}),
    "port": (["--port"], {"type": click.IntRange(0, 65535), "metavar": "N"}),
    "concurrency": (["-c", "--concurrency"], {"type": _Concurrency()}),
    "job_timeout_ms": (["--job-timeout-ms"], {"type": click.IntRange(min=1), "metavar": "MS"}),
    "allow_networks": (["--allow-network"], {"multiple": True, "metavar": "CIDR"}),
    "robots": (["--robots/--no-robots"], {"default": None}),
    "host_concurrency": (["--host-concurrency"], {"type": click.IntRange(min=1), "metavar": "N"}),
    "host_delay_ms": (["--host-delay-ms"], {"type": click.IntRange(min=0), "metavar": "MS"}),
    "user_agent": (["--user-agent"], {}),
    "kinds": (["--kind"], {"multiple": True, "type": click.Choice(["image", "video", "audio", "embed"])}),
    "keep_decoration": (["--keep-decoration"], {"is_flag": True, "default": None}),
    "min_width": (["--min-width"], {"type": click.IntRange(min=0), "metavar": "PX"}),
    "min_height": (["--min-height"], {"type": click.IntRange(min=0), "metavar": "PX"}),
    "deep": (["--deep"], {"is_flag": True, "default": None}),
}

STORE = ("data_dir", "database_url", "log_level")
QUEUE = ("data_dir", "redis_url", "queue_name", "log_level")
SERVICE = ("data_dir", "redis_url", "database_url", "queue_name", "log_level")
WEB = ("host", "port")
SCRAPING = (
    "concurrency", "job_timeout_ms", "allow_networks", "robots", "host_concurrency", "host_delay_ms",
    "user_agent", "kinds", "keep_decoration", "min_width", "min_height", "deep",
)  # fmt: skip


def _warn_of_unknown_variables() -> None:
    """A misspelt variable would else change nothing, and nobody would see why."""
    for name, meant in unknown_variables().items():
        hint = f"; did you mean {meant}?" if meant else "; see docs/settings.md"
        click.echo(f"mediascrape: warning: {safe(name)} is no setting{hint}", err=True)


def with_settings(*groups: Sequence[str]) -> Callable[[F], F]:
    """Give a command the flags of these settings and call it with `settings=` instead of them."""
    names = [name for group in groups for name in group]

    def decorate(function: F) -> F:
        def call(**arguments: Any) -> Any:
            given = {name: arguments.pop(name) for name in names}
            overrides = {
                name: ",".join(value) if isinstance(value, tuple) else value
                for name, value in given.items()
                if value is not None and value != ()
            }
            _warn_of_unknown_variables()
            return function(settings=Settings.load(**overrides), **arguments)

        call.__name__, call.__doc__ = function.__name__, function.__doc__
        call.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
        for name in reversed(names):
            declarations, extra = _FLAGS[name]
            setting = _HELP[name]
            shown = (
                f"{setting.help}{' May be repeated.' if extra.get('multiple') else ''} [env: {setting.env}]"
            )
            shown += f" [default: {setting.default}]" if setting.default else ""
            call = click.option(*declarations, name, help=shown, **extra)(call)
        return call  # type: ignore[return-value]

    return decorate
