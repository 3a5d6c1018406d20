"""What can go wrong on the device, typed. Every message is a sentence that a person or a model can act on."""

from collections.abc import Sequence

from metalsci.msl.diagnostics import Diagnostic


class CompileError(Exception):
    """The source was refused. `diagnostics` holds every error of the file, with line and column, and its warnings."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = tuple(diagnostics)


class PipelineError(Exception):
    """The kernel compiles but cannot be dispatched so: its threadgroup or its threadgroup memory is too large."""


class DispatchError(Exception):
    """The kernel was run and did something it must not. Each finding is one sentence."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = tuple(findings)


class DeviceCrash(DispatchError):  # noqa: N818  what happened, in the word that callers look for
    """The kernel took its process down: an access outside its buffers, a division by zero, a stack too small."""


class DeviceTimeout(DispatchError):  # noqa: N818
    """The command buffer did not finish in time; its process was killed."""
