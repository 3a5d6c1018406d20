"""How a candidate can fail on a device, in one vocabulary for every device."""

from collections.abc import Sequence

from metalsci.msl.diagnostics import Diagnostic


class KernelFailure(Exception):  # noqa: N818  (a candidate's failure is a result here, not an error of the program)
    """Base of everything that is the candidate's fault. Anything else that a device raises is ours."""


class CompileFailure(KernelFailure):
    """The source was refused. `diagnostics` point into the candidate's file."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(str(d) for d in diagnostics) or "refused without a diagnostic")
        self.diagnostics = tuple(diagnostics)


class PipelineFailure(KernelFailure):
    """It compiled, but cannot be launched as the host must: group too large, too much threadgroup memory."""


class Crash(KernelFailure):
    """It took its process down: a wild access, an unaligned one, a trap."""


class TimeLimit(KernelFailure):
    """It did not finish within the device's time limit and was killed."""


class DeviceError(Exception):
    """The device cannot be used as configured; no candidate's fault. The message says what to do."""
