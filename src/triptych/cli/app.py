"""The command line application: its commands, exit codes and error messages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer

from triptych.bars import reporting_to
from triptych.cli import (
    add_items,
    blend,
    compare,
    demo,
    encode,
    evaluate,
    explain,
    export,
    models,
    new_users,
    prepare,
    recommend,
    report,
    score,
    train,
    tune,
)
from triptych.cli.help import Command, Group
from triptych.cli.option_names import as_options
from triptych.cli.options import Quiet
from triptych.cli.printing import print_error, print_json, print_message, print_result, silence_progress
from triptych.cli.signals import exit_code, raise_when_stopped
from triptych.cli.streams import BROKEN_PIPE, OutputError, end_output, finish_output, standard_streams
from triptych.errors import SettingsError, TriptychError
from triptych.progress import ignore_progress

SUCCESS, FAILURE, USAGE_ERROR = 0, 1, 2
OUT_OF_MEMORY = ("can't allocate memory", "out of memory")  # in torch's errors, for processors and accelerators

PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Start": {"demo": demo.command},
    "Data": {"encode": encode.command, "prepare": prepare.command},
    "Models": {
        "train": train.command,
        "evaluate": evaluate.command,
        "recommend": recommend.command,
        "score": score.command,
        "explain": explain.command,
        "export": export.command,
        "add-items": add_items.command,
        "models": models.command,
    },
    "Studies": {
        "tune": tune.command,
        "compare": compare.command,
        "blend": blend.command,
        "new-users": new_users.command,
        "report": report.command,
    },
}

COMMAND_CLASSES: dict[str, type[Command]] = {"prepare": prepare.PrepareCommand, "train": train.TrainCommand}

app = typer.Typer(
    name="triptych",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from triptych import __version__

        print_result(f"triptych {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Graph-based multimodal recommendation.

    Triptych reads an interaction log, item images, texts and metadata, and writes the top 50 items of every user.
    Models are compared by NDCG@50 with full ranking.

    To start, run `triptych demo`. With your own data:

        triptych encode items.csv --image picture --text title -o features/
        triptych prepare log.csv --items items.csv -f image=features/image \\
            -f text=features/text -o shop/
        triptych train shop/ --model bm3 --run runs/bm3
        triptych evaluate runs/bm3
        triptych recommend runs/bm3 -o recommendations.parquet
        triptych explain runs/bm3 --data shop/ --user u17

    For the options of a command: triptych COMMAND --help
    """


def _add_commands() -> None:
    for panel, commands in PANELS.items():
        for name, command in commands.items():
            app.command(name, cls=COMMAND_CLASSES.get(name, Command), rich_help_panel=panel)(command)


_add_commands()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 success, 1 failure, 2 wrong usage; see `cli/signals.py`."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code."""
    silence_progress(False)
    with standard_streams(lambda text: print_message(f"warning: {as_options(text)}")), reporting_to(ignore_progress):
        streams = sys.stdout, sys.stderr
        code = _run(arguments)
        if sys.stdout is not streams[0]:  # typer replaces them if a pipe breaks while it prints a help page
            sys.stdout, sys.stderr = streams
            code = BROKEN_PIPE
        return finish_output(code, print_error)


def _run(arguments: list[str]) -> int:
    try:
        with raise_when_stopped():
            app(arguments, prog_name="triptych")
    except SystemExit as exit_:
        if exit_.code == exit_code(KeyboardInterrupt()):  # typer's, for any interrupt
            return exit_code(exit_)
        return exit_.code if isinstance(exit_.code, int) else SUCCESS
    except TriptychError as error:
        return _report_error(error, arguments, USAGE_ERROR if isinstance(error, SettingsError) else FAILURE)
    except KeyboardInterrupt as interrupt:
        print_message("interrupted")
        return exit_code(interrupt)
    except OutputError as error:
        return end_output(error.cause, SUCCESS, print_error)
    except (OSError, MemoryError) as error:
        return _report_error(TriptychError(_reason(error), where=_file_of(error)), arguments, FAILURE)
    except RuntimeError as error:
        if not any(text in str(error) for text in OUT_OF_MEMORY):
            raise
        what = f"not enough memory: {str(error).splitlines()[0]}"
        hint = "try fewer or narrower modalities, or a smaller batch_size or embedding_size"
        return _report_error(TriptychError(what, hint=hint), arguments, FAILURE)
    return SUCCESS


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def _file_of(error: Exception) -> str | None:
    name = getattr(error, "filename", None)
    return None if name is None else os.fsdecode(name) if isinstance(name, str | bytes) else str(name)


def _report_error(error: TriptychError, arguments: list[str], code: int) -> int:
    if "--json" in arguments:
        with suppress(OutputError):
            hint = None if error.hint is None else as_options(error.hint)
            print_json({"error": {"what": as_options(error.what), "where": error.where, "hint": hint}})
    print_error(error)
    return code
