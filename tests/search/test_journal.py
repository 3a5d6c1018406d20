import pytest

from metalsci.evaluation.results import Evaluation, Outcome, Roofline, SizeResult, Timing
from metalsci.models.protocol import Response, Stop, Usage
from metalsci.models.record import Answered, recorded_answers
from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.search.history import Entry
from metalsci.search.journal import Journal, JournalError, Judged, read_recording

ENTRY = Entry(
    1,
    "kernel void k() {}",
    Evaluation(
        Outcome.SCORED,
        diagnostics=(Diagnostic(Severity.WARNING, 1, 2, "unused"),),
        sizes=(SizeResult("64", Outcome.SCORED, "fine", 0.1, Timing((1e-3, 2e-3)), Roofline(3.0, 10.0, "GB/s")),),
        score=0.3,
        phases={"compile": 0.1},
    ),
    Response("```metal\n```", "thoughts", Usage(9, 3, 7, 2), None, Stop.LENGTH, "claude"),
    {"total": 1.0},
)


def test_records_survive_the_process(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, "same", 7)
    assert ENTRY.response is not None
    journal.append(Answered(1, 0.5, ENTRY.response))
    journal.append(Judged(ENTRY))
    again = Journal(path, "same", 7)
    assert again.entries == (ENTRY,)
    assert [a.response for a in again.answers[1]] == [ENTRY.response]


def test_the_parts_of_an_answer_stay_in_order(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, "same", 7)
    parts = [Answered(1, 0.5, Response(text), "digest") for text in ("one", "two")]
    for part in (*parts, Answered(2, 0.5, Response("three"))):
        journal.append(part)
    journal.append(Judged(ENTRY))
    again = Journal(path, "same", 7)
    assert again.answers[1] == tuple(parts)
    (judged,) = recorded_answers(path).values()
    assert (judged.response, judged.prompt) == (ENTRY.response, "digest")


def test_a_journal_of_an_older_version_is_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"type":"began","fingerprint":"same","schema":1}\n')
    with pytest.raises(JournalError, match="not written by this version of metalsci; choose another folder"):
        Journal(path, "same", 7)
    with pytest.raises(JournalError, match=r"model\.strict=false"):
        read_recording(path)


def test_the_inputs_stay_those_that_the_journal_began_with(tmp_path):
    path = tmp_path / "journal.jsonl"
    assert Journal(path, "same", 7).inputs_seed == 7
    assert Journal(path, "same", 8).inputs_seed == 7
    assert read_recording(path).inputs_seed == 7


def test_reading_another_run_s_journal_leaves_it_as_it_is(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path, "same", 7).append(Judged(ENTRY))
    path.write_bytes(path.read_bytes() + b'{"type":"judged"')
    before = path.read_bytes()
    assert read_recording(path).entries == (ENTRY,)
    assert path.read_bytes() == before


def test_a_torn_last_line_is_dropped_and_writing_goes_on(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path, "same", 7).append(Judged(ENTRY))
    with path.open("ab") as file:
        file.write(b'{"type":"judged","entry":{"iter')
    again = Journal(path, "same", 7)
    assert again.entries == (ENTRY,)
    again.append(Judged(ENTRY))
    assert len(Journal(path, "same", 7).entries) == 2


def test_another_run_s_journal_is_refused(tmp_path):
    Journal(tmp_path / "journal.jsonl", "one", 7)
    with pytest.raises(JournalError, match="another task, model, strategy, device or seed"):
        Journal(tmp_path / "journal.jsonl", "two", 7)


def test_a_broken_record_is_named_by_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path, "same", 7)
    path.write_bytes(path.read_bytes() + b"not json\n")
    with pytest.raises(JournalError, match=r"journal\.jsonl:2"):
        Journal(path, "same", 7)


def test_a_full_disk_is_an_error(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, "same", 7)
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        journal.append(Judged(ENTRY))
