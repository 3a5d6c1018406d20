"""References on disk: computed once, whole or not at all, and no more of them than the limit."""

from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.devices.program import Array
from metalsci.task.definition import Size, Task
from metalsci.task.references import References

SIZE = Size("small", {"NX": 20, "NY": 20, "steps": 3})


@pytest.fixture
def task(composed: Compose) -> Task:
    made: Task = instantiate(composed("task=heat2d").task).task
    return made


@pytest.fixture
def counted(task: Task) -> tuple[Task, list[Size]]:
    """Count how often the task's reference was computed."""
    calls: list[Size] = []
    compute = type(task).reference

    base: Any = type(task)

    class Counting(base):  # type: ignore[misc]
        def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
            calls.append(size)
            return compute(self, size, inputs)

    task.__class__ = Counting
    return task, calls


def inputs(task: Task, seed: int = 0) -> dict[str, Array]:
    return task.inputs(SIZE, np.random.default_rng(seed))


def test_a_reference_is_computed_once(counted: tuple[Task, list[Size]], tmp_path: Path) -> None:
    task, calls = counted
    first = References(tmp_path, worth=0.0).get(task, SIZE, "a", inputs(task))
    second = References(tmp_path, worth=0.0).get(task, SIZE, "a", inputs(task))
    assert len(calls) == 1
    np.testing.assert_array_equal(first[0], second[0])
    assert second[0].dtype == np.float64


def test_another_size_draw_or_physics_is_another_reference(
    composed: Compose, counted: tuple[Task, list[Size]], tmp_path: Path
) -> None:
    task, calls = counted
    references = References(tmp_path, worth=0.0)
    references.get(task, SIZE, "a", inputs(task))
    references.get(task, SIZE, "b", inputs(task, 1))
    references.get(task, SIZE.replace(steps=4), "a", inputs(task))
    task.physics = {"alpha": 0.1}
    references.get(task, SIZE, "a", inputs(task))
    assert len(calls) == 4


def test_what_is_quick_to_compute_is_not_kept(task: Task, tmp_path: Path) -> None:
    References(tmp_path, worth=60.0).get(task, SIZE, "a", inputs(task))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(b""), lambda p: p.write_bytes(p.read_bytes()[:100])])
def test_a_broken_file_is_computed_again(
    counted: tuple[Task, list[Size]], tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    task, calls = counted
    references = References(tmp_path, worth=0.0)
    want = references.get(task, SIZE, "a", inputs(task))
    (path,) = tmp_path.iterdir()
    damage(path)
    again = references.get(task, SIZE, "a", inputs(task))
    np.testing.assert_array_equal(want[0], again[0])
    assert len(calls) == 2
    references.get(task, SIZE, "a", inputs(task))
    assert len(calls) == 2


def test_what_was_longest_unused_goes_first(counted: tuple[Task, list[Size]], tmp_path: Path) -> None:
    task, calls = counted
    references = References(tmp_path, limit=3 * 20 * 20 * 8 + 2000, worth=0.0)
    for draw in "abc":
        references.get(task, SIZE, draw, inputs(task))
    references.get(task, SIZE, "a", inputs(task))  # used again: now b is the oldest
    references.get(task, SIZE, "d", inputs(task))
    assert len(list(tmp_path.iterdir())) == 3
    calls.clear()
    references.get(task, SIZE, "a", inputs(task))
    assert not calls
    references.get(task, SIZE, "b", inputs(task))
    assert len(calls) == 1


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(task: Task, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (want,) = References(tmp_path / "file" / "folder", worth=0.0).get(task, SIZE, "a", inputs(task))
    assert want.shape == (20, 20)


def fill(folder: Path, first: int) -> None:
    from hydra import compose, initialize_config_dir

    from metalsci.experiment.hydra_versions import base
    from metalsci.experiment.schemas import register
    from metalsci.files.locations import data

    register()
    with initialize_config_dir(str(data("conf")), **base()):
        task = instantiate(compose("config", overrides=["task=heat2d"]).task).task
    references = References(folder, limit=20_000, worth=0.0)
    for turn in range(40):
        draw = str((first + turn) % 12)
        (got,) = references.get(task, SIZE, draw, inputs(task, int(draw)))
        (want,) = task.reference(SIZE, inputs(task, int(draw)))
        np.testing.assert_array_equal(got, want)


def test_many_processes_share_one_folder(tmp_path: Path) -> None:
    context = get_context("spawn")
    workers = [context.Process(target=fill, args=(tmp_path, 4 * i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 20_000
    assert not list(tmp_path.glob("*.tmp"))
