"""Comparing runs and sweeps, and listing them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from run_folders import write_run

from metalsci.compare import main as compare
from metalsci.experiment.recorded_import import import_recorded
from metalsci.report.contents import read_runs
from metalsci.report.pairing_of_runs import confirmed, effect, held_out, pair, ranks
from metalsci.runs import main as list_runs


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three sweeps over two tasks and three seeds: b is twice as fast as a, c as fast as b but for chance."""
    folder = tmp_path_factory.mktemp("sweeps")
    best = {"a": (0.20, 0.22, 0.21), "b": (0.40, 0.45, 0.41), "c": (0.41, 0.43, 0.42)}
    for name, scores in best.items():
        for task in ("lbm", "hmc"):
            for seed, score in enumerate(scores):
                run = write_run(folder / name / f"{task}{seed}", task=task, model=name, seed=seed, scores=(score,))
                (run / "command.json").write_text(json.dumps({"arguments": [f"task={task}", f"seed={seed}"]}))
        (folder / name / "multirun.yaml").write_text("")
    return folder


def test_pairs_are_of_one_task_and_seed(sweeps: Path) -> None:
    pairs = pair(read_runs([sweeps / "a"]), read_runs([sweeps / "b"]))
    assert {(p.task, p.seed) for p in pairs} == {(task, seed) for task in ("lbm", "hmc") for seed in range(3)}
    assert all(p.first.seed == p.second.seed for p in pairs)


def test_the_effect_has_an_interval_and_a_word(sweeps: Path) -> None:
    a, b, c = (read_runs([sweeps / name]) for name in "abc")
    slower = effect(pair(a, b), confirmed)
    assert slower.sentence.startswith("slower: 0.5")
    assert slower.mean.low < slower.mean.value < slower.mean.high < 1
    assert effect(pair(b, c), held_out).sentence.startswith("within noise: ")


def test_ranks_say_what_is_not_distinguishable(sweeps: Path) -> None:
    found, blocks = ranks({name: read_runs([sweeps / name]) for name in "abc"})
    assert blocks == 6
    assert found[-1].name == "a"
    assert found[-1].rank == 3
    assert {found[0].name, found[1].name} == {"b", "c"}
    assert found[0].alike == (found[1].name,)
    assert sum(each.rank for each in found) == pytest.approx(6)


def test_one_pair_is_judged_by_its_own_rounds(tmp_path: Path) -> None:
    one = read_runs([write_run(tmp_path / "1", scores=(0.40,))])
    near = read_runs([write_run(tmp_path / "2", scores=(0.41,), seed=5)])
    far = read_runs([write_run(tmp_path / "3", scores=(0.90,))])
    assert "within noise" in effect(pair(one, near), confirmed).sentence
    assert effect(pair(far, one), confirmed).sentence.startswith("faster: 2.25")
    assert effect([], confirmed).sentence == "no pair has both figures"


def test_runs_of_one_task_and_seed_are_paired_by_model_and_strategy_first(tmp_path: Path) -> None:
    kinds = [("gpt", "beam"), ("gpt", "islands"), ("claude", "beam")]
    for name, order in (("a", kinds), ("b", [kinds[2], kinds[1], ("gpt", "bandit")])):
        for number, (model, strategy) in enumerate(order):
            write_run(tmp_path / name / f"{number}", model=model, strategy=strategy)
    pairs = pair(read_runs([tmp_path / "a"]), read_runs([tmp_path / "b"]))
    assert [(p.first.model, p.first.strategy, p.second.model, p.second.strategy) for p in pairs] == [
        ("gpt", "beam", "gpt", "bandit"),
        ("gpt", "islands", "gpt", "islands"),
        ("claude", "beam", "claude", "beam"),
    ]


def test_equal_speedups_are_within_noise(tmp_path: Path) -> None:
    first, second = (read_runs([write_run(tmp_path / name, scores=())]) for name in "ab")
    assert effect(pair(first, second), confirmed).sentence == "within noise: 1.000× in one pair"


def test_a_group_of_settings_that_one_side_lacks_is_a_line_and_so_are_devices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = Path(__file__).with_name("recorded_small.json")
    import_recorded(recorded, tmp_path / "recorded")
    own = write_run(tmp_path / "own", task="lbm", model="claude-opus-4-7")
    config = json.loads((own / "config.yaml").read_text())
    (own / "config.yaml").write_text(json.dumps(config | {"prompt": {"edits": False, "history": 8}}))
    compare([str(own), str(tmp_path / "recorded")])
    told = capsys.readouterr().out
    assert "prompt: only A has it, 2 settings" in told
    assert "prompt.edits" not in told
    assert "on different devices, so the ratio is not one of kernels alone: a device against Apple M1 Pro" in told


def test_the_command_says_all_of_it(sweeps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare([str(sweeps / "a"), str(sweeps / "b"), "--csv", str(tmp_path / "pairs.csv")])
    told = capsys.readouterr().out
    assert "in distribution: slower: 0.5" in told
    assert "model.name: a, b" in told
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == 7
    compare([str(sweeps / name) for name in "abc"])
    assert "average ranks over 6 tasks and seeds" in capsys.readouterr().out


def test_what_cannot_be_compared_is_a_sentence(
    sweeps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_run(tmp_path / "other", task="morton", seed=9)
    for arguments in ([other, sweeps / "a"], [tmp_path / "empty", other], [other], [other, other]):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(SystemExit) as left:
            compare([str(argument) for argument in arguments])
        assert left.value.code == 2
        assert capsys.readouterr().err


def test_the_list_names_the_next_command(
    sweeps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = write_run(tmp_path / "stopped", done=False)
    (stopped / "command.json").write_text(json.dumps({"arguments": ["task=lbm", "model.name=a b"]}))
    list_runs([str(sweeps / "a"), str(tmp_path), "task=lbm"])
    told = capsys.readouterr().out
    assert f"python -m metalsci.report {sweeps / 'a'}" in told
    assert f"python -m metalsci.run resume={stopped}" in told
    assert "python -m metalsci.run task=lbm 'model.name=a b'" in told
    assert "hmc0" not in told
    list_runs([str(sweeps), "model=b", "status=ended", "--json"])
    assert {run["model"] for run in json.loads(capsys.readouterr().out)} == {"b"}


def test_a_folder_s_name_is_quoted_in_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "my sweep" / "a<b")
    list_runs([str(tmp_path)])
    assert f"python -m metalsci.report '{tmp_path}/my sweep/a<b'" in capsys.readouterr().out


def test_a_seed_is_not_a_part_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 10, 21):
        write_run(tmp_path / f"{seed}", seed=seed)
    list_runs([str(tmp_path), "seed=1", "--json"])
    assert [run["seed"] for run in json.loads(capsys.readouterr().out)] == [1]


def test_the_list_tells_strategies_apart_and_names_the_command_of_a_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, strategy in enumerate(("beam", "islands")):
        write_run(tmp_path / f"{number}", strategy=strategy)
    (tmp_path / "multirun.yaml").write_text("")
    (tmp_path / "command.json").write_text(json.dumps({"arguments": ["strategy=beam,islands", "notes=a b"]}))
    list_runs([str(tmp_path)])
    told = capsys.readouterr().out
    assert "again: python -m metalsci.run -m strategy=beam,islands 'notes=a b'" in told
    assert " beam " in told
    assert " islands " in told


def test_a_filter_that_is_none_is_refused(sweeps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        list_runs([str(sweeps), "colour=red"])
    assert "colour is no filter" in capsys.readouterr().err
    for further in ([], ["--watch"]):
        with pytest.raises(SystemExit) as left:
            list_runs([str(sweeps), "task=none", *further])
        assert left.value.code == 2
        assert "no such run" in capsys.readouterr().err


def test_watching_ends_when_nothing_runs(sweeps: Path) -> None:
    command = [sys.executable, "-m", "metalsci.runs", str(sweeps / "a"), "--watch"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "6 ended" in done.stdout
    assert "spent: 6 candidates" in done.stdout
