"""The text that MLX compiles before every custom kernel: its own headers, flattened.

It is rebuilt from the headers in the installed package, as MLX's build does, so it fits the installed version. Without
MLX `mlx_preamble.metal` stands in: MLX's names of types, `elem_to_loc` and `ceildiv`.
"""

import importlib.util
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

_FOLDER = "mlx/backend/metal/kernels"
# As `utils.h` includes them, itself last.
_HEADERS = ("bf16.h", "bf16_math.h", "complex.h", "defines.h", "logging.h", "utils.h")
_DROPPED = re.compile(r'#include ".*.h"|#pragma once')
_RULE = "/" * 79
_LINE = re.compile(r'^#line (\d+) "([^"]*)"$', re.MULTILINE)
_FALLBACK = Path(__file__).with_suffix(".metal")


@dataclass(frozen=True)
class Preamble:
    """Preamble of MLX. `text` renumbers lines, and so do Apple's messages: the kernel's follow those of `utils.h`."""

    text: str

    @cached_property
    def compiled(self) -> str:
        """Text without directives that renumber lines: this device counts lines as they are."""
        return _LINE.sub("", self.text)

    def place(self, line: int) -> tuple[str, int]:
        """Return file and line in Apple's messages for a line of the preamble, or of the text after it."""
        for directive, first, file in reversed(self._directives):
            if directive < line:
                return file, first + line - directive - 1
        return "program_source", line

    @cached_property
    def _directives(self) -> tuple[tuple[int, int, str], ...]:
        return tuple(
            (self.text.count("\n", 0, match.start()) + 1, int(match[1]), match[2])
            for match in _LINE.finditer(self.text)
        )


@cache
def installed_preamble() -> Preamble:
    """Return the preamble of the installed MLX, or its stand-in."""
    found = importlib.util.find_spec("mlx")
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (Path(folder) / "include" / _FOLDER / _HEADERS[-1]).is_file():
            return flattened(Path(folder) / "include")
    return fallback_preamble()


def fallback_preamble() -> Preamble:
    return Preamble(_FALLBACK.read_text(encoding="utf-8"))


def flattened(include: Path) -> Preamble:
    """Flatten MLX's headers under `include`."""
    parts = ["", "// Copyright © 2025 Apple Inc.", "", f"// Auto generated source for {_FOLDER}/{_HEADERS[-1]}", ""]
    for header in _HEADERS:
        name = f"{_FOLDER}/{header}"
        lines = (include / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        kept = [line for line in lines if not _DROPPED.search(line)]
        parts += [_RULE, f'// Contents from "{name}"', _RULE, "", f'#line 1 "{name}"', *kept, ""]
    return Preamble("\n".join([*parts, _RULE, ""]))
