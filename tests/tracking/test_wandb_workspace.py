"""The dashboard as code, without a server."""

import json
import re
from pathlib import Path

import pytest

from metalsci.dashboard import main
from metalsci.tracking.wandb_figures import NAMED

pytest.importorskip("wandb_workspaces", reason="the extra `dashboard` is not installed")


def test_it_is_written_as_json_and_the_same_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one.json", "two.json"):
        main([f"output={tmp_path / name}", "project=mine"])
    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()
    made = json.loads((tmp_path / "one.json").read_text())
    sections = {s["name"]: s for s in made["spec"]["section"]["panel_bank_config"]["sections"]}
    assert {"Speedup", "Convergence", "Verdicts", "Outcomes and failures", "Time, tokens, cost"} <= sections.keys()
    text = json.dumps(made)
    for figure in ("confirmed/self_speedup", "gate/heldout_speedup", "best_speedup", "dollars_so_far"):
        assert figure in text
    assert "outcomes/compile_error" in text  # a kind of failure
    groups = set(re.findall(r'"([a-z_]+)\.value\.([a-z_]+)"', text))  # of a run's config
    assert groups == {(NAMED, "task"), (NAMED, "model"), (NAMED, "strategy")}
    (runs,) = made["spec"]["section"]["run_sets"]
    (kept,) = runs["filters"]["filters"]
    assert (kept["key"]["name"], kept["value"]) == ("jobType", "search")  # no figure of a gate's run counts twice


def test_without_a_login_it_says_how_to_upload(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    main([])
    assert "wandb login" in capsys.readouterr().out
    assert (tmp_path / "metalsci-dashboard.json").exists()


def test_a_setting_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["colour=red"])
    assert "colour is no setting" in capsys.readouterr().err
