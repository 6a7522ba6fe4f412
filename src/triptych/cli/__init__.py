"""The command line. Only this package prints, reads argv or exits."""

from triptych.cli.app import main

__all__ = ["main"]
