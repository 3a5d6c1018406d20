"""The top of a config as types, and everything else that Hydra must know before it composes.

The options of a group have no types here: theirs are made from the signatures of their classes, see
metalsci.experiment.signature_schemas.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from metalsci.experiment.hydra_versions import register_resolver
from metalsci.experiment.objective import Metric
from metalsci.experiment.scored_by import ScoredBy
from metalsci.experiment.typed_sources import register_sources
from metalsci.files.locations import data, package


@dataclass
class InputsConfig:
    """The inputs on which candidates are judged.

    - seed: of the draw; null: a fresh one, so that no candidate can know it.
    """

    seed: int | None = None


@dataclass
class PathsConfig:
    """The places of files.

    - tasks: the task folders: in a checkout its tasks/, in a wheel the shipped ones.
    - outputs: relative to the working folder of the command.
    """

    tasks: str = MISSING
    outputs: str = MISSING


@dataclass
class RunConfig:
    """One experiment: task × model × strategy × seed × budget.

    - score: what a challenger is judged by, where no GPU is there to measure: measured times of this machine's
      processor; predicted times of the GPU `chip`; both, so that a challenger must be faster here and must not be
      predicted slower there. On an Apple GPU times are measured, and nothing is predicted.
    - chip: the GPU whose times are predicted.
    - seed: of every random draw of the search; `seed kernel` is something else.
    - sanitizer: look for data races and the like in candidates that fail, and in those that would win.
    - run: the folder of a recorded run, for model=replay.
    - optimized_metric: the number that a sweeper such as Optuna's maximises: self_speedup, best_score, heldout_speedup
      or phi.
    - start: a .metal file, or the folder of a run, to start from; the seed kernel stays the baseline.
    - json: print the summary as JSON on standard output, and everything else on standard error; --json is short for it.
    - tags, notes: of the run, for whoever follows it.
    - dry_run: print what the run may cost at most, and run nothing; --dry-run is short for it.
    - observers: further followers of a run, by name: +observers.csv._target_=mine.Csv.
    """

    task: Any = MISSING
    model: Any = MISSING
    prompt: Any = MISSING
    strategy: Any = MISSING
    promotion: Any = MISSING
    device: Any = MISSING
    budget: Any = MISSING
    gate: Any = MISSING
    tracker: Any = MISSING
    observers: dict[str, Any] = field(default_factory=dict)
    paths: PathsConfig = MISSING
    search: Any = MISSING
    memory: Any = MISSING
    inputs: InputsConfig = field(default_factory=InputsConfig)
    repeats: Any = MISSING
    sanitizer: bool = True
    score: ScoredBy = ScoredBy.both
    chip: str = "M1 Pro"
    seed: int = 0
    run: str | None = None
    json: bool = False
    optimized_metric: Metric = Metric.self_speedup
    start: str | None = None
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    dry_run: bool = False


@dataclass
class EvaluateConfig:
    """One kernel, judged outside any search.

    - kernel: a .metal file or a list of them, judged next to the seed kernel; null: the seed kernel itself.
    - json: print the result as JSON on standard output instead of a table; --json is short for it.
    - heldout: also the held-out size; gate=true is short for it.
    - sanitizer: look for data races and the like.
    - chip: the GPU of which the gate predicts whether the kernel would be faster there.
    """

    task: Any = MISSING
    device: Any = MISSING
    gate: Any = MISSING
    paths: PathsConfig = MISSING
    inputs: InputsConfig = field(default_factory=InputsConfig)
    repeats: Any = MISSING
    sanitizer: bool = True
    chip: str = "M1 Pro"
    kernel: Any = None
    heldout: bool = False
    json: bool = False


def register() -> None:
    """Make schemas, typed yamls and the resolvers metalsci.data and metalsci.package known; call before composing."""
    register_resolver("metalsci.data", lambda folder: str(data(folder)))
    register_resolver("metalsci.package", lambda name: str(package(name)))
    store = ConfigStore.instance()
    for name, schema in (("_run", RunConfig), ("_evaluate", EvaluateConfig)):
        if f"{name}.yaml" not in store.repo:  # Hydra 1.5 will refuse a second one
            store.store(name=name, node=schema)
    register_sources()
