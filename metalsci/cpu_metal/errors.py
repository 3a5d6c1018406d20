"""Typed failures of the device. Every message is a sentence that a person or a model can act on."""

from collections.abc import Sequence

from metalsci.msl.diagnostics import Finding


class PipelineError(Exception):
    """A kernel that compiles but cannot be dispatched so: its threadgroup or its threadgroup memory is too large."""


class DispatchError(Exception):
    """A kernel that ran and did something forbidden. `findings` say what, one sentence each."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = tuple(findings)


class DeviceCrash(DispatchError):  # noqa: N818  what happened, in the word that callers look for
    """A kernel that took its process down: an access outside its buffers, a division by zero, a stack too small."""


class DeviceTimeout(DispatchError):  # noqa: N818
    """A command buffer that did not finish in time; its process was killed."""
