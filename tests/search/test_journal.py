import json
from pathlib import Path

import pytest

from metalsci.devices.protocol import Machine
from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome, Roofline, SizeResult, Timing
from metalsci.models.protocol import Response, Stop, Usage
from metalsci.models.record import Answered, recorded_answers
from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.search.archive import Entry
from metalsci.search.journal import Asked, Journal, JournalError, read_recording
from metalsci.search.request import Request

SOURCE = "kernel void k() {}"
SEED = Entry(0, SOURCE, Evaluation(Outcome.SCORED, score=0.1), spelling="00")
REQUEST = Request((0,), (0,), "claude", {"history": 0}, {"island": 2}, 1)
RESPONSE = Response(f"```metal\n{SOURCE}```", "thoughts", Usage(9, 3, 7, 2), None, Stop.LENGTH, "claude")
ENTRY = Entry(
    1,
    SOURCE,
    Evaluation(
        Outcome.SCORED,
        diagnostics=(Diagnostic(Severity.WARNING, 1, 2, "unused"),),
        sizes=(SizeResult("64", Outcome.SCORED, "fine", 0.1, Timing((1e-3, 2e-3)), Roofline(3.0, 10.0, "GB/s")),),
        score=0.3,
        phases={"compile": 0.1},
    ),
    REQUEST,
    RESPONSE.reply,
    {"total": 1.0},
    Decision(True, "faster", {"p": 0.01}),
    "ab",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def written(path: Path) -> Journal:
    journal = Journal(path, "same", 7)
    journal.judge(SEED, None)
    journal.ask(Asked(1, (REQUEST,)))
    journal.answer(Answered(1, 0.5, RESPONSE))
    journal.judge(ENTRY, RESPONSE.text)
    return journal


def test_records_survive_the_process_in_their_order(path: Path) -> None:
    written(path)
    events = list(Journal(path, "same", 7).events())
    assert events == [SEED, Asked(1, (REQUEST,)), Answered(1, 0.5, RESPONSE), ENTRY]


def test_a_text_is_written_once(path: Path) -> None:
    written(path)
    lines = path.read_text().splitlines()[2:]  # past the seed kernel, whose text nobody answered
    assert sum(line.count("kernel void k") for line in lines) == 1


def test_a_source_that_does_not_stand_in_its_answer_is_kept_whole(path: Path) -> None:
    journal = Journal(path, "same", 7)
    journal.judge(SEED, None)
    journal.ask(Asked(1, (REQUEST,)))
    journal.answer(Answered(1, 0.5, RESPONSE))
    journal.judge(ENTRY, "another text")
    assert list(Journal(path, "same", 7).events())[-1] == ENTRY


def test_the_parts_of_an_answer_stay_in_order(path: Path) -> None:
    journal = Journal(path, "same", 7)
    journal.judge(SEED, None)
    journal.ask(Asked(2, (REQUEST, Request((0,), id=2))))
    for text in ("```metal\nkernel void", " k() {}```"):
        journal.answer(Answered(1, 0.5, Response(text), "digest"))
    journal.answer(Answered(2, 0.5, Response("three")))
    assert [p.response.text for p in Journal(path, "same", 7).heard[1]] == ["```metal\nkernel void", " k() {}```"]
    journal.judge(ENTRY, "```metal\nkernel void k() {}```")
    again = Journal(path, "same", 7)
    assert set(again.heard) == {2}
    assert 1 in again.judged
    assert 2 not in again.judged
    last = list(again.events())[-1]
    assert isinstance(last, Entry) and last.source == SOURCE
    (judged,) = recorded_answers(path).values()
    assert (judged.response.text, judged.prompt) == ("```metal\nkernel void k() {}```", "digest")


def test_a_journal_of_an_older_version_is_refused_in_one_sentence(path: Path) -> None:
    path.write_text('{"type":"began","fingerprint":"same","schema":2}\n{"type":"judged","entry":{}}\n')
    with pytest.raises(JournalError, match=r"schema 2 and was not written by this .*; choose another folder") as caught:
        Journal(path, "same", 7)
    assert "\n" not in str(caught.value)
    with pytest.raises(JournalError, match=r"model\.strict=false"):
        read_recording(path)


def test_the_inputs_stay_those_that_the_journal_began_with(path: Path) -> None:
    assert Journal(path, "same", 7).inputs_seed == 7
    assert Journal(path, "same", 8).inputs_seed == 7
    assert read_recording(path).inputs_seed == 7


def test_what_models_are_told_of_the_machine_stays_what_it_was(path: Path) -> None:
    first, other = Machine(("40 GB/s",), "tile"), Machine(("39 GB/s",))
    assert Journal(path, "same", 7, lambda: first).machine == first
    assert Journal(path, "same", 7, lambda: other).machine == first
    assert read_recording(path).machine == first


def test_reading_another_run_s_journal_leaves_it_as_it_is(path: Path) -> None:
    written(path)
    path.write_bytes(path.read_bytes() + b'{"type":"judged"')
    before = path.read_bytes()
    assert read_recording(path).entries == (SEED, ENTRY)
    assert path.read_bytes() == before


@pytest.mark.parametrize("torn", [b'{"type":"judged","id":2,"eval', b"x" * 200_000])
def test_a_torn_last_line_is_dropped_and_writing_goes_on(path: Path, torn: bytes) -> None:
    written(path)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    again = Journal(path, "same", 7)
    assert path.read_bytes() == whole
    again.ask(Asked(1, (REQUEST,)))
    assert len(list(Journal(path, "same", 7).events())) == 5


def test_a_journal_of_which_nothing_but_a_torn_line_is_left_begins_again(path: Path) -> None:
    path.write_bytes(b'{"type":"beg')
    assert list(Journal(path, "same", 7).events()) == []
    assert json.loads(path.read_text())["fingerprint"] == "same"


def test_another_run_s_journal_is_refused(path: Path) -> None:
    Journal(path, "one", 7)
    with pytest.raises(JournalError, match="another task, model, strategy, device or seed"):
        Journal(path, "two", 7)


def test_a_broken_record_is_named_by_line(path: Path) -> None:
    Journal(path, "same", 7)
    path.write_bytes(path.read_bytes() + b"not json\n")
    with pytest.raises(JournalError, match=r"journal\.jsonl:2"):
        list(Journal(path, "same", 7).events())


def test_a_full_disk_is_an_error(path: Path) -> None:
    journal = Journal(path, "same", 7)
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        journal.judge(ENTRY, None)
