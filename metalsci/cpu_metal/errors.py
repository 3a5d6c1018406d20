"""What can go wrong on the device, typed. Every message is a sentence that a person or a model can act on."""

from collections.abc import Sequence
from typing import Self

from metalsci.msl.diagnostics import Diagnostic


class CompileError(Exception):
    """The source was refused. `diagnostics` holds every error of the file, with line and column, and its warnings."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = tuple(diagnostics)


class PipelineError(Exception):
    """The kernel compiles but cannot be dispatched so: its threadgroup or its threadgroup memory is too large."""


class Finding(str):
    """A sentence about what a kernel did.

    kind: "out of bounds", "data race", … line: in the source, 0 where that is not known. undefined: whether Metal
    leaves open what follows, so that a result that is right is so by luck.
    """

    __slots__ = ("kind", "line", "undefined")

    kind: str
    line: int
    undefined: bool

    def __new__(cls, sentence: str, kind: str = "", line: int = 0, *, undefined: bool = True) -> Self:
        finding = super().__new__(cls, sentence)
        finding.kind, finding.line, finding.undefined = kind, line, undefined
        return finding


class DispatchError(Exception):
    """The kernel was run and did something it must not. Each finding is one sentence."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = tuple(f if isinstance(f, Finding) else Finding(f) for f in findings)


class DeviceCrash(DispatchError):  # noqa: N818  what happened, in the word that callers look for
    """The kernel took its process down: an access outside its buffers, a division by zero, a stack too small."""


class DeviceTimeout(DispatchError):  # noqa: N818
    """The command buffer did not finish in time; its process was killed."""
