"""The environment variables that set the Settings: documentation, `--help`, and those that are misspelt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from mediascrape.settings import PREFIX, UNPREFIXED, Settings


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """What documentation and `--help` say of one setting."""

    name: str
    env: str
    default: str
    help: str


def describe_settings() -> Iterator[SettingInfo]:
    """All settings in the order they are declared."""
    for name, field in Settings.model_fields.items():
        env = name.upper() if name in UNPREFIXED else f"{PREFIX}{name.upper()}"
        if name == "data_dir":
            default = "the user's data directory"
        elif field.default is None or field.default == ():
            default = ""
        else:
            default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        yield SettingInfo(name, env, default, field.description or "")


def unknown_variables() -> dict[str, str | None]:
    """Variables in the environment or `.env` that have our prefix and name no setting, each with the
    variable that was most likely meant."""
    given = {**DotEnvSettingsSource(Settings).env_vars, **EnvSettingsSource(Settings).env_vars}
    known = {setting.name: setting.env for setting in describe_settings()}
    unknown: dict[str, str | None] = {}
    for variable in sorted(given):
        name = variable.lower().removeprefix(PREFIX.lower())
        if name != variable.lower() and name not in known:
            near = get_close_matches(name, known, n=1)
            unknown[variable.upper()] = known[near[0]] if near else None
    return unknown


def render_settings() -> str:
    """The settings as a Markdown page, docs/settings.md."""
    rows = (
        f"| `{one.env}` | {f'`{one.default}`' if one.default else ''} | {one.help} |"
        for one in describe_settings()
    )
    head = (
        "# Settings",
        "",
        "Environment variables, or a `.env` file in the working directory; a command's flag wins over both.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    )
    return "\n".join((*head, *rows))


if __name__ == "__main__":
    print(render_settings())
