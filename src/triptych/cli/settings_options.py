"""Commands whose settings are options: one option per field of a settings class, from its name, type and meaning."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import typer

from triptych.cli.help import Command
from triptych.cli.option_names import as_options
from triptych.cli.options import FILES

TYPES: dict[str, Any] = {"int": int, "float": float, "bool": bool}
VALUES = "triptych.settings"  # in `ctx.meta`: the values of the settings


class SettingsCommand(Command):
    """A command with one option per setting that says how it is shown (`ShownAs`); `settings_values` returns them.

    The class of the settings is imported when the options are needed, so that other commands start without it.
    """

    settings: ClassVar[Callable[[], type[Any]]]

    def get_params(self, ctx: Any) -> list[Any]:
        own = super().get_params(ctx)
        n_first = next(n for n, each in enumerate(own) if getattr(each, "rich_help_panel", None) not in (None, FILES))
        return [*own[:n_first], *self._settings_options(), *own[n_first:]]

    def invoke(self, ctx: Any) -> Any:
        ctx.meta[VALUES] = {option.name: ctx.params.pop(option.name) for option in self._settings_options()}
        return super().invoke(ctx)

    def _settings_options(self) -> list[Any]:
        return _options(type(self).settings())  # type: ignore[arg-type]  # classes are hashable


@functools.cache
def _options(settings: type[Any]) -> list[Any]:
    """Return the options of a settings class, as typer makes them from a function with these parameters."""
    from triptych.settings import describe

    def stub() -> None: ...

    parameters, annotations = [], {}
    for each in describe(settings):
        if each.shown_as is not None:
            repeatable, is_flag = isinstance(each.default, tuple), each.kind == "bool"
            shown = typer.Option(
                f"--{each.name.replace('_', '-')}",
                metavar=None if is_flag else each.shown_as.value,
                show_default=each.default not in ("", None, ()) and not is_flag,
                help=as_options(each.meaning) + (" Repeatable." if repeatable else ""),
                rich_help_panel=each.shown_as.panel,
            )
            kind: Any = list[str] if repeatable else TYPES.get(each.kind.split()[0], str)
            kind = kind if each.default is not None else kind | None
            annotations[each.name] = Annotated[kind, shown]
            default = list(each.default) if isinstance(each.default, tuple) else each.default
            parameters.append(
                inspect.Parameter(
                    each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotations[each.name]
                )
            )
    stub.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    stub.__annotations__ = annotations
    app = typer.Typer(add_completion=False)
    app.command()(stub)
    return list(typer.main.get_command(app).params)


def settings_values(ctx: Any) -> dict[str, Any]:
    """Return the values of the settings of a SettingsCommand by name, as they were read from the command line."""
    values: dict[str, Any] = ctx.meta[VALUES]
    return values
