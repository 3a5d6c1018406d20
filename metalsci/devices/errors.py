"""How a candidate can fail on a device, in one vocabulary for every device."""

from metalsci.msl.diagnostics import CompileError


class KernelFailure(Exception):  # noqa: N818  (a candidate's failure is a result here, not an error of the program)
    """Base of what a candidate does wrong once it is compiled; before that, it raises CompileError."""


class PipelineFailure(KernelFailure):
    """It compiled, but cannot be launched as the host must: group too large, too much threadgroup memory."""


class Crash(KernelFailure):
    """It took its process down: a wild access, an unaligned one, a trap."""


class TimeLimit(KernelFailure):
    """It did not finish within the device's time limit and was killed."""


# Everything that is the candidate's fault. Anything else that a device raises is ours.
CANDIDATE_FAULTS = (CompileError, KernelFailure)


class DeviceError(Exception):
    """The device cannot be used as configured; no candidate's fault. The message says what to do."""
