"""What can go wrong on the device, typed. Every message is a sentence that a person or a model can act on."""

from collections.abc import Sequence

from metalsci.msl.diagnostics import Finding


class PipelineError(Exception):
    """The kernel compiles but cannot be dispatched so: its threadgroup or its threadgroup memory is too large."""


class DispatchError(Exception):
    """The kernel was run and did something it must not. `findings` say what, one sentence each."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = tuple(findings)


class DeviceCrash(DispatchError):  # noqa: N818  what happened, in the word that callers look for
    """The kernel took its process down: an access outside its buffers, a division by zero, a stack too small."""


class DeviceTimeout(DispatchError):  # noqa: N818
    """The command buffer did not finish in time; its process was killed."""
