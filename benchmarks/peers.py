"""The peers of the software device: PoCL and Intel's OpenCL runtime on ports of the seed kernels, and C.

Both runtimes come from PyPI, into an environment of the benchmark's own: PoCL's wheel brings an LLVM, Intel's a TBB.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from metalsci.devices.program import Array, Call, Program, Symbol
from metalsci.msl.language.signature import KernelSignature

PACKAGES = ("numpy", "pyopencl", "pocl-binary-distribution", "intel-opencl-rt", "intel-cmplr-lib-rt")
PLATFORMS = {"PoCL": "Portable Computing Language", "Intel": "Intel"}
PORTS = Path(__file__).parent / "opencl"
NATIVE = "C with OpenMP"
AWAKE = "C with OpenMP, whose threads spin"
NATIVE_TASKS = ("saxpy", "heat2d", "wave3d", "lbm", "nbody")
_PLACE = re.compile(r"\S+\.cl:\d+:\d+: ")  # in a file that PoCL makes
C_FOLDER = Path(__file__).parent / "native"
_C_FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-fPIC", "-shared")


@dataclass(frozen=True)
class Environment:
    """The folder in which the peers are installed."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self) -> None:
        """Make the environment, unless it is there. Raises CalledProcessError where a package cannot be had."""
        if (self.folder / "installed").exists():
            return
        subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        subprocess.run([str(self.python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        vendors = self.folder / "vendors"
        vendors.mkdir(exist_ok=True)
        library = next((self.folder / "lib").glob("libintelocl.so"))
        (vendors / "intel.icd").write_text(f"{library}\n", encoding="utf-8")
        (self.folder / "installed").touch()

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the variables that a process must start with to find the peers."""
        return {
            **os.environ,
            "OCL_ICD_VENDORS": str(self.folder / "vendors"),
            "LD_LIBRARY_PATH": str(self.folder / "lib"),
            "POCL_CACHE_DIR": str(self.folder / "cache"),
        }


@dataclass(frozen=True)
class How:
    """The command that starts a peer, its environment, the source, and the platform's name there.

    takes_grid: kernels want the grid's three sizes behind their buffers.
    """

    name: str
    command: Sequence[str]
    source: Path
    platform: str
    variables: Mapping[str, str]
    takes_grid: bool = False


def opencl(environment: Environment, name: str, source: Path) -> How:
    """Run kernels in OpenCL C on one of PLATFORMS."""
    command = [str(environment.python), str(PORTS / "peer.py")]
    return How(name, command, source, PLATFORMS[name], environment.variables)


def native(folder: Path) -> Sequence[How]:
    """Build the kernels in C, to be run in two ways: by threads that sleep between loops, and by some that spin.

    The first ones are charged for nothing but their work, the others lose no time by the wall. Each thread has a
    processor of its own. Raises CalledProcessError or FileNotFoundError without a compiler that has OpenMP.
    """
    library = folder / "kernels.so"
    subprocess.run(["gcc", *_C_FLAGS, str(C_FOLDER / "kernels.c"), "-o", str(library), "-lm"], check=True)
    version = subprocess.run(["gcc", "-dumpfullversion"], check=True, capture_output=True, text=True).stdout.strip()
    command = [sys.executable, str(C_FOLDER / "worker.py")]
    # GOMP_SPINCOUNT: a millisecond at most, so that they do not spin while others have their turn.
    waits = {NATIVE: {"OMP_WAIT_POLICY": "passive"}, AWAKE: {"GOMP_SPINCOUNT": "20000"}}
    return [
        How(name, command, library, f"gcc {version}", os.environ | {"OMP_PROC_BIND": "true"} | how)
        for name, how in waits.items()
    ]


class Peer:
    """A task's program in a peer's hands. A context manager. Raises PeerError where the peer cannot run it."""

    def __init__(self, how: How, program: Program, signatures: Sequence[KernelSignature], folder: Path) -> None:
        self.name, self._folder, self._program = how.name, folder, program
        folder.mkdir(parents=True)
        inputs: dict[str, Any] = {_name(symbol): array for symbol, array in program.inputs}
        np.savez(folder / "inputs.npz", **inputs)
        wanted = _described(program, {each.name: each for each in signatures}, takes_grid=how.takes_grid) | {
            "platform": how.platform,
            "source": str(how.source),
        }
        (folder / "program.json").write_text(json.dumps(wanted), encoding="utf-8")
        self._process = subprocess.Popen(
            [*how.command, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=how.variables,
        )  # fmt: skip
        self.version: Mapping[str, str] = json.loads(self._said())

    def run(self) -> tuple[float, float]:
        """Return the seconds of one run: by the wall, and of processor time."""
        wall, used = self._ask("run").split()
        return float(wall), float(used)

    def results(self) -> Sequence[Array]:
        """Return the results of the last run."""
        self._ask("results")
        found = np.load(self._folder / "results.npz")
        return [found[_name(s)].view(s.dtype).reshape(s.shape) for s in self._program.results]

    def _ask(self, what: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._said()

    def _said(self) -> str:
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(_error_in(self._process.stderr.read()))
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


class PeerError(RuntimeError):
    """A peer that cannot run a task's program, in its own words."""


def _error_in(messages: str) -> str:
    """Return the compiler's first error, or the last line that there is."""
    lines = messages.strip().splitlines() or [""]
    found = next((line[line.index("error: ") :] for line in lines if "error: " in line), lines[-1])
    return _PLACE.sub("", found)


def _name(symbol: Symbol) -> str:
    return f"a{symbol.id}"


def _described(program: Program, signatures: Mapping[str, KernelSignature], *, takes_grid: bool) -> dict[str, Any]:
    symbols = [*(symbol for symbol, _ in program.inputs), *(out for call in program.calls for out in call.outputs)]
    return {
        "buffers": {_name(symbol): max(symbol.nbytes, 1) for symbol in symbols},
        "calls": [_call(call, signatures[call.kernel], takes_grid=takes_grid) for call in program.calls],
        "results": [_name(symbol) for symbol in program.results],
    }


def _call(call: Call, signature: KernelSignature, *, takes_grid: bool) -> dict[str, Any]:
    readable, writable = iter(call.arguments), iter(call.outputs)
    arguments = [next(writable if p.writable else readable) for p in signature.buffers]
    described = [_argument(each) for each in arguments]
    if takes_grid:
        described += [_argument(np.uint32(each)) for each in call.threads]
    fills = []
    if call.init is not None:
        fills = [(_name(s), s.nbytes, s.dtype.str, float(call.init)) for s in call.outputs]
    return {
        "kernel": call.kernel,
        "arguments": described,
        "fills": fills,
        "threads": whole_groups(call),
        "group": _group(call),
    }


def whole_groups(call: Call) -> list[int]:
    """Return a call's threads in whole groups: OpenCL 1.2 has no others."""
    return [-(-t // g) * g for t, g in zip(call.threads, _group(call), strict=True)]


def _group(call: Call) -> list[int]:
    return [min(g, t) for g, t in zip(call.threadgroup, call.threads, strict=True)]


def _argument(value: Symbol | np.generic) -> dict[str, Any]:
    if isinstance(value, Symbol):
        return {"value": _name(value)}
    return {"value": value.item(), "dtype": value.dtype.str}
