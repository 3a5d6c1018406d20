"""LLVM's remarks on the loop over threads, in words that a kernel's author can act on."""

import re

from metalsci.cpu_metal.compile.wrapper import Mode

REMARKS = ("-Rpass=loop-vectorize", "-Rpass-missed=loop-vectorize", "-Rpass-analysis=loop-vectorize")
"""Flags by which LLVM says it."""
_WIDTH = re.compile(r"remark: .*vectorized loop \(vectorization width: (\d+)")
_REASON = re.compile(r"remark: .*loop not vectorized: (.+?) \[-R")
_WORDS = {
    "instruction cannot be vectorized": "an operation has no vector form, such as an atomic one",
    "value that could not be identified as reduction is used outside the loop": (
        "a loop leaves a value that is not seen as a sum (`a += w * d` is one, `a = fma(w, d, a)` and `break` are not)"
    ),
    "could not determine number of loop iterations": "a loop of the kernel ends by what it computes",
    "instruction return type cannot be vectorized": (
        "a vector (or two neighbours in one) is loaded, or an atomic compare-exchange is done; "
        "elements one by one can be vectorised"
    ),
    "Loop contains an unsupported switch": "one value is compared with several constants, as by a switch",
    "Value cannot be used outside the loop": "a loop leaves a value that depends on the turn in which it was left",
    "Control flow cannot be substituted for a select": (
        "code behind a condition cannot be run by all threads, such as an atomic operation"
    ),
    "call instruction cannot be vectorized": "a function is called that has no vector form",
    "loop control flow is not understood by vectorizer": "the kernel's flow has loops in it",
    "loop is not the innermost loop": "the kernel has a loop of its own",
}
# LLVM gives the place of the loop over threads for it, which is not the user's.
_OF_THE_LOOP = frozenset({"instruction cannot be vectorized"})
# LLVM's warning of a loop that is to be vectorised, as that over threads is, and is not.
_NOT_OVER_THREADS = "unable to perform the requested transformation"
_OWN_LOOPS = "threads run one after the other; loops of the kernel run in vector lanes, {width} turns at a time"
_ONE_BY_ONE = "threads run one after the other: "
_ROW = "threads run in vector lanes along x, {width} at a time; threadgroups play no part"
_GROUP = "threads of a group run in vector lanes, {width} at a time, without waiting for one another"


def has_place(messages: str) -> bool:
    """Return True if LLVM has not vectorised the loop over threads, for a reason that it can give a place of."""
    reason = _REASON.search(messages)
    return reason is not None and reason[1] not in _OF_THE_LOOP and not _WIDTH.search(messages)


def place_of_refusal(messages: str, file: str) -> tuple[int, int] | None:
    """Return line and column of the first reason in `file`, of a module that knows places; None without one."""
    found = re.search(rf"remark: (?:\./)?{re.escape(file)}:(\d+):(\d+): loop not vectorized: ", messages)
    if found is None:
        return None
    return int(found[1]), int(found[2])


def in_words(mode: Mode, messages: str, *, are_few: bool = False) -> str:
    """Say how threads run, by LLVM's remarks; nothing if it made none.

    are_few: the loop leaves out threads between those that it runs, so that vectors are of their own loops.
    """
    widths = [int(width) for width in _WIDTH.findall(messages)]
    if widths and (are_few or _NOT_OVER_THREADS in messages):
        return _OWN_LOOPS.format(width=max(widths))
    if widths:
        return {Mode.GRID: _ROW}.get(mode, _GROUP).format(width=max(widths))
    reasons = [_WORDS.get(reason, reason) for reason in _REASON.findall(messages)]
    if reasons:
        return one_by_one(reasons[0])
    if _NOT_OVER_THREADS in messages:
        return _ONE_BY_ONE.removesuffix(": ")
    return ""


def one_by_one(reason: str) -> str:
    """Say that threads run one after the other, and why."""
    return f"{_ONE_BY_ONE}{reason}"


def with_line(words: str, line: int) -> str:
    """Add the line of the source that a refusal is about; 0 if it is not known."""
    if not line:
        return words
    return words.replace(_ONE_BY_ONE, f"{_ONE_BY_ONE}line {line}: ", 1)
