"""metalsci: experiments in which a model searches for faster Metal compute kernels.

    from metalsci import evaluate
    evaluation = evaluate("saxpy", Path("mine.metal").read_text())
    print(evaluation.outcome, evaluation.score)

Everything here is imported when it is first used, so that `import metalsci` costs nothing.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metalsci.devices.protocol import Device as Device
    from metalsci.devices.virtual.prediction import Prediction as Prediction
    from metalsci.evaluation.results import Evaluation as Evaluation
    from metalsci.evaluation.results import Outcome as Outcome
    from metalsci.experiment.api import Checked as Checked
    from metalsci.experiment.api import Comparison as Comparison
    from metalsci.experiment.api import check as check
    from metalsci.experiment.api import compare as compare
    from metalsci.experiment.api import evaluate as evaluate
    from metalsci.experiment.api import profile as profile
    from metalsci.experiment.api import run as run
    from metalsci.models.protocol import Model as Model
    from metalsci.models.protocol import Prompt as Prompt
    from metalsci.models.protocol import Response as Response
    from metalsci.search.archive import Archive as Archive
    from metalsci.search.request import Request as Request
    from metalsci.search.strategies.protocol import Strategy as Strategy
    from metalsci.task.definition import Bound as Bound
    from metalsci.task.definition import Probe as Probe
    from metalsci.task.definition import Size as Size
    from metalsci.task.definition import Task as Task
    from metalsci.task.definition import Work as Work
    from metalsci.tracking.protocol import Observer as Observer
    from metalsci.tracking.summary import Summary as Summary

    Tracker = Observer

# Public name: module, and its name there.
_DOORS = {
    "Task": ("metalsci.task.definition", "Task"),
    "Size": ("metalsci.task.definition", "Size"),
    "Work": ("metalsci.task.definition", "Work"),
    "Bound": ("metalsci.task.definition", "Bound"),
    "Probe": ("metalsci.task.definition", "Probe"),
    "Strategy": ("metalsci.search.strategies.protocol", "Strategy"),
    "Request": ("metalsci.search.request", "Request"),
    "Archive": ("metalsci.search.archive", "Archive"),
    "Model": ("metalsci.models.protocol", "Model"),
    "Prompt": ("metalsci.models.protocol", "Prompt"),
    "Response": ("metalsci.models.protocol", "Response"),
    "Observer": ("metalsci.tracking.protocol", "Observer"),
    "Tracker": ("metalsci.tracking.protocol", "Observer"),  # the observer that `tracker=` chooses
    "Device": ("metalsci.devices.protocol", "Device"),
    "Evaluation": ("metalsci.evaluation.results", "Evaluation"),
    "Outcome": ("metalsci.evaluation.results", "Outcome"),
    "Summary": ("metalsci.tracking.summary", "Summary"),
    "Checked": ("metalsci.experiment.api", "Checked"),
    "Comparison": ("metalsci.experiment.api", "Comparison"),
    "Prediction": ("metalsci.devices.virtual.prediction", "Prediction"),
    "evaluate": ("metalsci.experiment.api", "evaluate"),
    "compare": ("metalsci.experiment.api", "compare"),
    "check": ("metalsci.experiment.api", "check"),
    "profile": ("metalsci.experiment.api", "profile"),
    "run": ("metalsci.experiment.api", "run"),
}
__all__ = list(_DOORS)


def __getattr__(name: str) -> object:
    if name not in _DOORS:
        raise AttributeError(f"module 'metalsci' has no attribute {name!r}; it offers {', '.join(_DOORS)}")
    module, attribute = _DOORS[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_DOORS])


class _Package(ModuleType):
    """Module that keeps `metalsci.run` the function.

    Python sets a module's attribute whenever a submodule is imported, and the command's module has that name too. `from
    metalsci.run import main` still finds the module.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in _DOORS and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
