"""From conf/task/NAME.yaml and tasks/NAME/ to a Task with its sizes."""

import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from metalsci.task.comparison import Tolerance
from metalsci.task.definition import Size, Task


@dataclass(frozen=True)
class Problem:
    """A task with the sizes it is tried at. Only the gate is handed `heldout`.

    iterations, time_limit: what the task proposes to a budget and, in seconds, to a device.
    """

    task: Task
    sizes: tuple[Size, ...]
    heldout: Size
    iterations: int = 10
    time_limit: float = 10.0


class TaskError(Exception):
    """A task folder or a yaml that is not as it must be; the message names the file and what to do."""


def load_problem(
    name: str,
    folder: str,
    label: str,
    sizes: Sequence[Mapping[str, int | float]],
    heldout: Mapping[str, int | float],
    tolerance: Tolerance,
    physics: Mapping[str, float] | None = None,
    iterations: int = 10,
    time_limit: float = 10.0,
) -> Problem:
    """Load the task class found in `folder`/task.py, with brief.md and seed.metal next to it.

    - name: of the task, in tables and file names.
    - folder: may be anywhere; ${metalsci.package:mypackage.mytask} is that of an installed package.
    - label: a format string over the extents of a size, for tables.
    - sizes: extents by name, one entry a size that the search scores.
    - heldout: the size that only the gate sees.
    - tolerance: how far results may be from the reference.
    - physics: constants of the problem, which the task reads.
    - iterations: of a search, if the budget does not say otherwise.
    - time_limit: seconds for one run of the program at any size.

    Raises TaskError for a missing file, a task.py without exactly one Task, or sizes that do not fit the label.
    """
    home = Path(folder)
    task = _task_class(home / "task.py", name)(
        name=name,
        brief=_text(home / "brief.md"),
        seed_kernel=_text(home / "seed.metal"),
        physics=dict(physics or {}),
        tolerance=tolerance,
    )
    if not task.signatures:
        raise TaskError(f"{home / 'seed.metal'} holds no `kernel void` function")
    if not sizes:
        raise TaskError(f"task {name} has no sizes: give task.sizes at least one entry")
    scored = tuple(_size(label, extents, name) for extents in sizes)
    return Problem(task, scored, _size(label, heldout, name), iterations, time_limit)


def _size(label: str, extents: Mapping[str, float], task: str) -> Size:
    words = [name for name, value in extents.items() if not isinstance(value, int | float)]
    if words:
        raise TaskError(f"task {task}: the extents of a size are numbers, and {', '.join(words)} is not a number")
    low = [f"{name}={value}" for name, value in extents.items() if value <= 0]
    if low:
        raise TaskError(f"task {task}: the extents of a size are positive, and {', '.join(low)} is not")
    try:
        return Size(label.format(**extents), dict(extents))
    except KeyError as missing:
        raise TaskError(f"task {task}: label {label!r} needs {missing}, the size has {', '.join(extents)}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TaskError(f"a task folder needs {path.name}: {error}") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is not UTF-8 text: {error}") from error


def _task_class(path: Path, name: str) -> type[Task]:
    if not path.is_file():
        raise TaskError(f"a task folder needs task.py, and {path} is no file")
    spec = importlib.util.spec_from_file_location(f"metalsci_task_{name}", path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return _only_task(module, path)


def _only_task(module: ModuleType, path: Path) -> type[Task]:
    classes = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Task) and c.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise TaskError(f"{path} must define exactly one subclass of Task, found {len(classes)}")
    return classes[0]
