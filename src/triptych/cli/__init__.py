"""Words -> calls: the only room that prints, reads argv or exits."""

from triptych.cli.app import main

__all__ = ["main"]
