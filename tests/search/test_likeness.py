"""Likeness to earlier candidates: measured by structure, recorded, and shown to a person and to the model."""

import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from toy_search import SEED, Scripted, judge, kernel, search

from metalsci.msl.language import parse
from metalsci.msl.language.kernel_heads import find_kernels
from metalsci.msl.language.spelling import structure
from metalsci.msl.text.lexer import SourceText
from metalsci.search import likeness
from metalsci.search.archive import Archive, Entry, Likeness
from metalsci.search.budget import Budget
from metalsci.search.journal import Journal
from metalsci.search.likeness import Neighbours
from metalsci.search.status_files import status_of
from metalsci.tracking.console import ConsoleView
from metalsci.tracking.wandb_figures import iteration_figures

LONG = (
    "kernel void step(device float *u, uint i [[thread_position_in_grid]]) {\n"
    + "".join(f"    float a{n} = u[i] * {n}.5f + float(i % {n}u);\n    u[i] = a{n} - {n}.0f;\n" for n in range(2, 20))
    + "    u[i] = 1;\n}\n"
)


def answer(source: str) -> str:
    return f"An idea.\n```metal\n{source}```\n"


def searched(folder: Path) -> Archive:
    answers = [answer(LONG), answer(LONG.replace("* 7.5f", "* 8.5f").replace("= 1;", "= 2;")), f"{answer(kernel(3))}"]
    return search(folder, Scripted(answers), Budget(3)).archive


def test_a_near_duplicate_is_told_by_its_structure_everywhere(tmp_path: Path) -> None:
    archive = searched(tmp_path)
    first, near, other = archive.proposals
    assert first.likeness is not None and near.likeness is not None
    assert first.likeness.iteration == 0 and first.likeness.share < 0.5
    assert near.likeness.iteration == 1 and 0.9 < near.likeness.share < 1
    assert near.near == f"{100 * near.likeness.share:.0f} % like 1"
    assert other.near == ""
    figures = iteration_figures(archive, near, (0, 0.0))
    assert (figures["likeness"], figures["likeness_to"]) == (near.likeness.share, 1)
    told = msgspec.to_builtins(near.likeness)
    assert json.loads((tmp_path / "02_result.json").read_text())["likeness"] == told
    assert msgspec.to_builtins(status_of(archive, near))["likeness"] == told
    out = io.StringIO()
    view = ConsoleView(Budget(3), Console(file=out, width=120))
    watched = Archive(archive.seed)
    view.entry(watched)
    for entry in archive.proposals:
        watched.add(entry)
        view.entry(watched)
    view.close(failed=False)
    assert [near.near in line for line in out.getvalue().splitlines()] == [False, False, False, True, False]


def test_a_resumed_run_knows_it_from_its_journal(tmp_path: Path) -> None:
    archive = searched(tmp_path)
    again = [entry for entry in Journal(tmp_path / "journal.jsonl", "x", 7).events() if isinstance(entry, Entry)]
    assert [entry.likeness for entry in again] == [entry.likeness for entry in archive.entries]


def test_the_prompt_s_history_names_it(tmp_path: Path) -> None:
    model = Scripted([answer(LONG), answer(LONG.replace("* 7.5f", "* 8.5f").replace("= 1;", "= 2;")), "none"])
    archive = search(tmp_path, model, Budget(3)).archive
    assert f"2: scored, 3.00x, became the best, {archive[2].near} (`An idea.`)" in model.prompts[2].user


def test_an_iteration_costs_the_same_in_a_long_search(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def counted(source: str) -> frozenset[int]:
        looked.append(source)
        return structure(source)

    monkeypatch.setattr(likeness, "structure", counted)
    evaluation = judge(kernel(1), lambda _: None)
    archive, neighbours = Archive(Entry(0, SEED, evaluation)), Neighbours()
    for number in range(1, 200):
        entry = Entry(number, kernel(number), evaluation)
        found = neighbours.nearest(entry, structure(kernel(number)), archive)
        assert isinstance(found, Likeness) and found.share < 1
        archive.add(entry)
        assert len(neighbours._known) <= 66
    assert looked == [SEED]  # the others are known from when they were new


def test_a_candidate_is_parsed_once_from_answer_to_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []

    def counted(text: SourceText) -> object:
        texts.append(text.data.decode())
        return find_kernels(text)

    monkeypatch.setattr(parse, "find_kernels", counted)
    search(tmp_path, Scripted([answer(LONG)]), Budget(1))
    assert texts.count(LONG) == 1
