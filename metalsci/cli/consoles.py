"""The streams of a command, on any console."""

import io
import sys


def accept_any_console() -> None:
    """Print "?" for characters that the console lacks, such as µ in ASCII, instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
