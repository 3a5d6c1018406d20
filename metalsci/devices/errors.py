"""The failures of a candidate on a device, in one vocabulary for every device."""

from metalsci.msl.diagnostics import CompileError


class KernelFailure(Exception):  # noqa: N818  (a candidate's failure is a result here, not an error of the program)
    """Base of a candidate's failures after it is compiled; before that, it raises CompileError."""


class PipelineFailure(KernelFailure):
    """A candidate that compiles and cannot be launched as the host must: group or threadgroup memory too large."""


class Crash(KernelFailure):
    """A candidate that took its process down: a wild access, an unaligned one, a trap."""


class TimeLimit(KernelFailure):
    """A candidate that did not finish within the device's time limit and was killed."""


class Uncounted(KernelFailure):
    """It runs, but cannot be counted: a pointer made from an integer, too large to sample, too long."""


# Everything that is the candidate's fault. Anything else that a device raises is ours.
CANDIDATE_FAULTS = (CompileError, KernelFailure)


class DeviceError(Exception):
    """A device that cannot be used as configured; no candidate's fault. The message says what to do."""
