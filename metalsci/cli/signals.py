"""SIGTERM as Ctrl-C: the run ends in good order and prints how to resume.

Slurm, docker and service managers send it.
"""

import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """A request to the process to end."""


def _raise(signum: int, frame: FrameType | None) -> None:
    # Once: what sends it again and again must not break off the good order.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def listen() -> None:
    """Let both interrupts raise KeyboardInterrupt from here on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _raise)
