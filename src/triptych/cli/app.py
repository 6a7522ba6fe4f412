"""The shell's front door: the commands, and what an error looks like."""

from __future__ import annotations

import signal
import sys
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
    show,
    train,
    tune,
)
from triptych.errors import SettingsError, TriptychError

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
NO_MEMORY = ("can't allocate memory", "out of memory")  # what torch says, of the processor and of accelerators

app = typer.Typer(
    name="triptych",
    help=(
        "Graph-based multimodal recommendation: from an interaction log, item images, texts and metadata to every "
        "user's top 50, with an honest NDCG@50.\n\n"
        "The walk:  triptych encode items.csv --image picture --text title --output features/\n\n"
        "           triptych prepare log.csv --items items.csv --features image=features/image --output shop/\n\n"
        "           triptych train shop/ --model bm3 --run runs/bm3\n\n"
        "           triptych evaluate runs/bm3\n\n"
        "           triptych recommend runs/bm3 --output recommendations.parquet\n\n"
        "           triptych explain runs/bm3 --data shop/ --user u17\n\n"
        "           triptych tune shop/ --model bm3 --output tuned/bm3\n\n"
        "           triptych compare shop/ --models popularity,ease,lightgcn,bm3\n\n"
        "New here?  triptych demo"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from triptych import __version__

        show.show(f"triptych {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


app.command("encode")(encode.command)
app.command("prepare")(prepare.command)
app.command("train")(train.command)
app.command("evaluate")(evaluate.command)
app.command("recommend")(recommend.command)
app.command("explain")(explain.command)
app.command("add-items")(add_items.command)
app.command("tune")(tune.command)
app.command("compare")(compare.command)
app.command("blend")(blend.command)
app.command("new-users")(new_users.command)
app.command("report")(report.command)
app.command("models")(models.command)
app.command("demo")(demo.command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 misused, 130 interrupted."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line; the exit code."""
    if sys.platform != "win32":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `triptych … | head` ends quietly
    try:
        app(arguments, prog_name="triptych")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else OK
    except TriptychError as error:
        return _failed(error, arguments, MISUSED if isinstance(error, SettingsError) else FAILED)
    except KeyboardInterrupt:
        show.say("interrupted")
        return INTERRUPTED
    except (OSError, MemoryError) as error:
        return _failed(TriptychError(str(error) or type(error).__name__), arguments, FAILED)
    except RuntimeError as error:
        if not any(words in str(error) for words in NO_MEMORY):
            raise
        what = f"memory does not suffice: {str(error).splitlines()[0]}"
        return _failed(
            TriptychError(what, hint="try fewer or narrower modalities, or a smaller batch_size or embedding_size"),
            arguments,
            FAILED,
        )
    return OK


def _failed(error: TriptychError, arguments: list[str], code: int) -> int:
    if "--json" in arguments:
        show.show_json({"error": {"what": error.what, "where": error.where, "mend": error.hint}})
    show.say(f"error: {error}")
    return code
