"""The traces of a device process that ended, as sentences."""

from collections.abc import Callable, Sequence
from signal import Signals

from metalsci.cpu_metal.errors import DeviceCrash, DeviceTimeout
from metalsci.cpu_metal.execute.buffer import SharedRegion
from metalsci.cpu_metal.execute.commands import Binding, CommandBuffer
from metalsci.cpu_metal.execute.process import Status
from metalsci.msl.diagnostics import Finding

_SIGNALS = {signal.value: signal.name for signal in Signals}
_ACCESS = {0: "access", 1: "read", 2: "write"}
_DIVERGENT_BARRIER = 1
_REFUSED = 2**64 - 1  # in place of an address
# enum Finding of runtime/runtime.h.
_FINDINGS = {
    2: "a thread's own variables need more than its stack of 48 KB",
    3: "an access beyond threadgroup memory",
    4: "no memory for the threads of a group",
}


def timed_out(commands: CommandBuffer, status: Status, timeout: float | None) -> DeviceTimeout:
    return DeviceTimeout(
        [
            Finding(
                f"{_where(commands, status.finished)}: not finished after {timeout:g} s of processor time", "timed out"
            )
        ]
    )


def crash(commands: CommandBuffer, status: Status, addresses: Callable[[SharedRegion], Sequence[int]]) -> DeviceCrash:
    """Return the crash that `status` describes. The kernel may have left anything in it.

    addresses: where the process had mapped a region.
    """
    where = _where(commands, status.dispatch)
    line = 0
    if status.finding == _DIVERGENT_BARRIER:
        kind, text, line = "divergent barrier", _divergence(status), status.lines[0]
    elif status.finding in _FINDINGS:
        kind, text = "resources", _FINDINGS[status.finding]
    elif status.signal == Signals.SIGFPE:
        kind, text = "division by zero", "an integer division by zero"
    elif status.signal in (Signals.SIGSEGV, Signals.SIGBUS):
        kind, text = "memory fault", _access(commands, status, addresses)
    elif status.signal in _SIGNALS:
        kind, text = "signal", f"the kernel was ended by {_SIGNALS[status.signal]}"
    else:
        where = _where(commands, status.finished)
        kind, text = "ended", "the device process ended without a word"
    return DeviceCrash([Finding(f"{where}: {text}", kind, line)])


def _where(commands: CommandBuffer, dispatch: int) -> str:
    dispatch = min(dispatch, len(commands) - 1)
    return f"{commands.dispatches[dispatch].kernel.name}, dispatch {dispatch}"


def _divergence(status: Status) -> str:
    first, second = status.lines
    return (
        f"threads of threadgroup {status.group} wait at different barriers, in lines {first} and {second} (thread "
        f"{status.thread}); every thread of a group must come to the same barrier"
    )


def _access(commands: CommandBuffer, status: Status, addresses: Callable[[SharedRegion], Sequence[int]]) -> str:
    """Name the buffer whose guard was hit, those of the faulting dispatch first."""
    if status.address == _REFUSED:
        return (
            "an access that the processor refuses: of a vector at an address that is not a multiple of its size, or "
            "through a pointer that is none; a checked run names the line"
        )
    kind = _ACCESS.get(status.access, _ACCESS[0])
    bindings = sorted(commands.bindings, key=lambda b: b.dispatch != status.dispatch)
    for binding in bindings:
        if binding.buffer is None:
            continue
        region = binding.buffer.region
        for address in addresses(region):
            if address - status.guard <= status.address < address + region.size + status.guard:
                return f"{kind} {_offset(binding, status.address - address - binding.buffer.start)}"
    return f"{kind} at an address outside every buffer ({status.address:#x})"


def _offset(binding: Binding, offset: int) -> str:
    buffer = binding.buffer
    size = buffer.nbytes if buffer is not None else 0
    name = f"buffer {binding.argument.index} '{binding.argument.name}' ({size:,} bytes)"
    if offset < 0:
        return f"{-offset:,} bytes before the start of {name}"
    if offset < size:
        return f"at byte {offset:,} of {name}, which is not writable"
    if offset == size:
        return f"just beyond the end of {name}"
    return f"{offset - size:,} bytes beyond the end of {name}"
