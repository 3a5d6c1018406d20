"""The processor that kernels are compiled for: this one, or another whose instructions this one has."""

import os
import re
from collections.abc import Set
from dataclasses import dataclass, replace

from metalsci.cpu_metal.compile.toolchain import Toolchain, ToolchainError
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

NATIVE = "native"
VARIABLE = "METALSCI_ARCHITECTURE"
EXECUTION = "METALSCI_EXECUTION"
"""The variable by which tests run every kernel in one way: see ThreadExecution."""
_LEVELS = ("x86-64-v4", "x86-64-v3", "x86-64-v2", "armv8.6-a", "armv8.2-a", "armv8-a")
# Of what LLVM makes code by itself. The rest does not matter here, and a virtual machine often hides it.
_X86 = (
    r"SSE3|SSSE3|SSE4_1|SSE4_2|SSE4A|AVX|AVX2|AVX512\w+?|AVX10_\w+?|AVXVNNI\w*?|AVXIFMA|AVXNECONVERT|FMA|FMA4|XOP|F16C"
    r"|BMI|BMI2|TBM|LZCNT|POPCNT|MOVBE|GFNI"
)
_ARM = r"ARM_FEATURE_(?:FMA|FP16\w*?|BF16\w*?|DOTPROD|SVE\w*?|ATOMICS|FRINT|JCVT|COMPLEX|MATMUL_INT8|QRDMX)"
_INSTRUCTIONS = re.compile(rf"^#define __({_X86}|{_ARM})(?:__)? ", re.MULTILINE)
_VECTORS = ("AVX512F", "AVX2", "AVX", "SSE4_2")
_ARITHMETIC = ("FMA", "F16C", "AVX512FP16", "AVX512BF16")
_MOST_SHOWN = 6


class ArchitectureError(ValueError):
    """An architecture that no code can be made for, or whose code this processor cannot run.

    Also a way to run threads that there is not.
    """


@dataclass(frozen=True)
class Architecture:
    """Clang's name of a processor or of a level of one, and who chose it."""

    name: str
    chosen_by: str = "architecture"

    @classmethod
    def chosen(cls, name: str | None, chosen_by: str = "architecture") -> "Architecture":
        """Return the architecture of this name; without a name METALSCI_ARCHITECTURE's, else this processor's own."""
        if name:
            return cls(name, chosen_by)
        return cls(os.environ.get(VARIABLE) or NATIVE, VARIABLE)

    def toolchain(self) -> Toolchain:
        """Return a compiler for it. Raises ArchitectureError unless this processor can run its code."""
        machine = Toolchain(execution=_execution())
        wanted = replace(machine, architecture=self.name)
        if self.name == NATIVE:
            return wanted
        try:
            needed = instructions(wanted)
        except ToolchainError as error:
            raise ArchitectureError(
                f"{self.chosen_by}={self.name}: the compiler knows no such processor of {machine.target}; "
                f"{_choice(machine)}"
            ) from error
        lacking = sorted(needed - instructions(machine))
        if lacking:
            if len(lacking) > _MOST_SHOWN:
                more = ", …"
            else:
                more = ""
            raise ArchitectureError(
                f"{self.chosen_by}={self.name}: this processor lacks instructions that code for it may have "
                f"({', '.join(lacking[:_MOST_SHOWN])}{more}); {_choice(machine)}"
            )
        return wanted


def _execution() -> ThreadExecution:
    """Return the way to run threads that METALSCI_EXECUTION names, by default the fastest for each kernel."""
    name = os.environ.get(EXECUTION) or ThreadExecution.FASTEST
    try:
        return ThreadExecution(name)
    except ValueError as error:
        raise ArchitectureError(f"{EXECUTION}={name}: choose {', '.join(ThreadExecution)}") from error


def instructions(toolchain: Toolchain) -> frozenset[str]:
    """Return the sets of instructions, by Clang's names, that code for the toolchain's architecture may have.

    Raises ToolchainError for an architecture that Clang does not know.
    """
    return frozenset(_INSTRUCTIONS.findall(toolchain.macros()))


def told(present: Set[str]) -> str:
    """Name the instructions that matter most to a kernel, and say how it does arithmetic of halfs."""
    shown = [next((name for name in _VECTORS if name in present), "the least vectors")]
    shown += [name for name in _ARITHMETIC if name in present]
    shown += sorted(name.removeprefix("ARM_FEATURE_") for name in present if name.startswith("ARM_FEATURE_"))
    has_halfs = bool(present & {"AVX512FP16", "ARM_FEATURE_FP16_VECTOR_ARITHMETIC"})
    return f"{', '.join(shown).replace('_', '.')}; halfs {'by themselves' if has_halfs else 'as floats'}"


def _choice(machine: Toolchain) -> str:
    """List architectures that this processor can run."""
    own = instructions(machine)
    fitting = [name for name in _LEVELS if _fits(replace(machine, architecture=name), own)]
    return f"choose {', '.join([*fitting, NATIVE])}"


def _fits(wanted: Toolchain, own: Set[str]) -> bool:
    try:
        return instructions(wanted) <= own
    except ToolchainError:  # of another family
        return False
