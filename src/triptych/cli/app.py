"""The command line application: its commands, exit codes and error messages."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer

from triptych.cli import (
    add_items,
    blend,
    compare,
    demo,
    encode,
    evaluate,
    explain,
    models,
    new_users,
    prepare,
    recommend,
    report,
    train,
    tune,
)
from triptych.cli.help import Command, Group
from triptych.cli.options import Quiet
from triptych.cli.printing import print_json, print_message, print_result, silence_progress
from triptych.cli.signals import exit_code, raise_when_stopped
from triptych.errors import SettingsError, TriptychError

SUCCESS, FAILURE, USAGE_ERROR = 0, 1, 2
OUT_OF_MEMORY = ("can't allocate memory", "out of memory")  # in torch's errors, for processors and accelerators

PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Start": {"demo": demo.command},
    "Data": {"encode": encode.command, "prepare": prepare.command},
    "Models": {
        "train": train.command,
        "evaluate": evaluate.command,
        "recommend": recommend.command,
        "explain": explain.command,
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
            cls = train.TrainCommand if name == "train" else Command
            app.command(name, cls=cls, rich_help_panel=panel)(command)


_add_commands()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 success, 1 failure, 2 wrong usage; see `cli/signals.py`."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code."""
    if sys.platform != "win32":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `triptych ... | head` ends without an error
    silence_progress(False)
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
        with suppress(OSError):  # the terminal may be gone
            print_message("interrupted")
        return exit_code(interrupt)
    except (OSError, MemoryError) as error:
        return _report_error(TriptychError(str(error) or type(error).__name__), arguments, FAILURE)
    except RuntimeError as error:
        if not any(text in str(error) for text in OUT_OF_MEMORY):
            raise
        what = f"not enough memory: {str(error).splitlines()[0]}"
        hint = "try fewer or narrower modalities, or a smaller batch_size or embedding_size"
        return _report_error(TriptychError(what, hint=hint), arguments, FAILURE)
    return SUCCESS


def _report_error(error: TriptychError, arguments: list[str], code: int) -> int:
    if "--json" in arguments:
        print_json({"error": {"what": error.what, "where": error.where, "hint": error.hint}})
    print_message(f"error: {error}")
    return code
