import pytest

from metalsci.benchmark.evaluation import Evaluation, Outcome, Roofline, SizeResult, Timing
from metalsci.models.protocol import Response, Usage
from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.search.history import Entry
from metalsci.search.journal import Answered, Journal, JournalError, Judged

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
    Response("```metal\n```", usage=Usage(output=7), cost=None),
    {"total": 1.0},
)


def test_records_survive_the_process(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, "same")
    assert ENTRY.response is not None
    journal.append(Answered(1, 0.5, ENTRY.response))
    journal.append(Judged(ENTRY))
    again = Journal(path, "same")
    assert again.entries == (ENTRY,)
    assert again.answers[1].response == ENTRY.response


def test_a_torn_last_line_is_dropped_and_writing_goes_on(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path, "same").append(Judged(ENTRY))
    with path.open("ab") as file:
        file.write(b'{"type":"judged","entry":{"iter')
    again = Journal(path, "same")
    assert again.entries == (ENTRY,)
    again.append(Judged(ENTRY))
    assert len(Journal(path, "same").entries) == 2


def test_another_run_s_journal_is_refused(tmp_path):
    Journal(tmp_path / "journal.jsonl", "one")
    with pytest.raises(JournalError, match="another task, model, strategy, device or seed"):
        Journal(tmp_path / "journal.jsonl", "two")


def test_a_broken_record_is_named_by_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal(path, "same")
    path.write_bytes(path.read_bytes() + b"not json\n")
    with pytest.raises(JournalError, match=r"journal\.jsonl:2"):
        Journal(path, "same")


def test_a_full_disk_is_an_error(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, "same")
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        journal.append(Judged(ENTRY))
