"""Failures of a run that are no fault of the program, each with advice for the user."""

from metalsci.devices.errors import DeviceError
from metalsci.experiment.instantiation import ConfigError
from metalsci.files.locations import cache
from metalsci.gate.heldout import GateError
from metalsci.models.errors import ModelError
from metalsci.search.budget import BudgetError
from metalsci.search.journal import JournalError
from metalsci.search.loop import SeedKernelError, StartError
from metalsci.search.request import StrategyError
from metalsci.task.loader import TaskError

EXPECTED = (
    ConfigError,
    TaskError,
    DeviceError,
    JournalError,
    SeedKernelError,
    StartError,
    GateError,
    ModelError,
    BudgetError,
    StrategyError,
    OSError,
)


def advice(error: Exception, folder: str) -> str:
    """Return a line of advice for the end of the message; empty if the message needs none."""
    if isinstance(error, SeedKernelError):
        return f"\nthe kernel and its diagnostics are in {folder}"
    if isinstance(error, ModelError | BudgetError | StrategyError):
        return f"\nno answer is lost; to resume: python -m metalsci.run resume={folder}"
    if isinstance(error, OSError) and str(error.filename or "").startswith(str(cache())):
        return (
            f"\nthat is in the cache: make room there, or name another with METALSCI_CACHE=FOLDER, then: "
            f"python -m metalsci.run resume={folder}"
        )
    if isinstance(error, OSError):
        return (
            f"\nwhat was done so far is kept; make room or fix the folder, then: python -m metalsci.run resume={folder}"
        )
    return ""
