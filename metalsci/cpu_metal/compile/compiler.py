"""From the text of a `.metal` file to its kernels, through the cache."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from pathlib import Path

from metalsci.cpu_metal.compile.elf import Variable
from metalsci.cpu_metal.compile.fast_math_warnings import check_fast_math
from metalsci.cpu_metal.compile.fingerprint import fingerprint
from metalsci.cpu_metal.compile.instrumented import CheckedBuild
from metalsci.cpu_metal.compile.kernel_build import BuiltKernel
from metalsci.cpu_metal.compile.kernel_cache import Cache, digest
from metalsci.cpu_metal.compile.language_rules import check_language
from metalsci.cpu_metal.compile.loop_remarks import with_line
from metalsci.cpu_metal.compile.pipeline import Build
from metalsci.cpu_metal.compile.toolchain import INCLUDE, LAUNCHER, RUNTIME, Toolchain
from metalsci.cpu_metal.compile.wrapper import Mode, unbound
from metalsci.cpu_metal.profiler.counted_build import BlockCost, CountedBuild, LineCost
from metalsci.cpu_metal.profiler.instrument import AccessSite
from metalsci.cpu_metal.sanitizer.sites import Site
from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit, as_unit
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.rules.metal_rules import check_signatures
from metalsci.msl.rules.source_policy import MAX_SIZE, refuse
from metalsci.msl.text.lexer import SourceText

_FACTS = "facts.json"
_AT_ONCE = 16  # kernels of a file that are compiled with it; others when they are first asked for
_TOGETHER = 6  # kernels that are compiled for any group at once, by one run of Clang: each further one takes less
# What counted kernels are optimised for, on every machine.
_COUNTED_TARGET, _COUNTED_ARCHITECTURE = "x86_64-unknown-linux-gnu", "x86-64-v3"
# Whoever includes one of Metal's headers gets them all, precompiled; whoever includes none gets none.
_HEADER = re.compile(r"^[ \t]*#[ \t]*(?:include|import)[ \t]*<(?:metal_|simd/)", re.MULTILINE)


@dataclass(frozen=True)
class Origin:
    """The source and settings that a kernel was compiled from."""

    unit: Unit
    math_mode: MathMode

    @property
    def source(self) -> str:
        return self.unit.source


@dataclass(frozen=True)
class CheckedKernel:
    """One kernel, instrumented. `code`: its shared object."""

    build: CheckedBuild
    code: bytes


@dataclass(frozen=True)
class CountedKernel:
    """One kernel, ready to be counted. `code`: its shared object."""

    build: CountedBuild
    code: bytes


@dataclass(frozen=True)
class CompiledKernel:
    """One kernel. `code`: its shared object, which outlives the cache's entry.

    for_any_group: compiles it for groups whose rows have another length than `built` says.
    """

    signature: KernelSignature
    built: BuiltKernel
    code: bytes
    origin: Origin
    for_any_group: Callable[[], "CompiledKernel"]
    how: Callable[[], str]
    why: Callable[[], str]
    remark: Callable[[], str]
    """Say how its threads run. Where LLVM can say for which line, that is found out now, once."""


@dataclass(frozen=True)
class Compiler:
    cache: Cache
    toolchain: Toolchain

    def runtime(self) -> Path:
        """Return the shared object of the runtime, built at first use."""
        key = digest(self.toolchain.identity, fingerprint(RUNTIME))
        built = self.cache.entry(f"runtime-{key}", lambda path: self.toolchain.build_runtime(path / "runtime.so"))
        return built / "runtime.so"

    def isolated(self) -> Toolchain:
        """Return the toolchain for untrusted sources. Its launcher is built at first use."""
        key = digest(self.toolchain.identity, fingerprint(RUNTIME), fingerprint(LAUNCHER))
        built = self.cache.entry(f"launcher-{key}", lambda path: self.toolchain.build_launcher(path / "launch"))
        return self.toolchain.isolated(built / "launch")

    def prelude(self, math_mode: MathMode) -> Path:
        """Return Metal's headers, precompiled at first use."""
        key = digest(self.toolchain.identity, math_mode.value, str(INCLUDE), self._package())
        built = self.cache.entry(
            f"prelude-{key}", lambda path: self.isolated().build_prelude(path / "prelude.pch", math_mode)
        )
        return built / "prelude.pch"

    def _package(self) -> str:
        """Return a digest of the parts of this package that a compiled kernel depends on."""
        return fingerprint(Path(__file__).parents[1])

    def compile(
        self, source: str | Unit, math_mode: MathMode, interface: Sequence[KernelSignature] = ()
    ) -> tuple[list[CompiledKernel], Mapping[str, Callable[[], CompiledKernel]], tuple[Diagnostic, ...]]:
        """Return kernels of the file, what compiles the others by name, and the warnings.

        interface: kernels that it must have, with these arguments. Raises CompileError with all errors.
        """
        parsed = _read(source)
        forbidden = tuple(refuse(parsed.text))
        rules = check_signatures(parsed, interface)
        found = (*forbidden, *rules, *check_language(parsed), *_check_parameters(parsed))
        if forbidden:
            raise CompileError(found)  # Clang is not to see it
        if math_mode is MathMode.fast:
            found = (*found, *check_fast_math(parsed))
        if any(d.severity is Severity.ERROR for d in found):
            raise CompileError(_merged(found, self._build(parsed, math_mode).diagnostics()))
        wanted = _at_once(parsed, {signature.name for signature in interface})
        kernels, warnings = self._compiled(parsed, math_mode, wanted)
        later = {
            signature.name: partial(self._compiled_later, parsed, math_mode, place)
            for place, signature in enumerate(parsed.kernels)
            if place not in wanted
        }
        return kernels, later, _merged(found, warnings)

    def _compiled(
        self, parsed: Unit, math_mode: MathMode, wanted: Sequence[int], *, for_any_group: bool = False
    ) -> tuple[list[CompiledKernel], list[Diagnostic]]:
        """Return kernels by their places in the file, and the warnings. for_any_group: see `in_lanes`."""
        further = [] if len(wanted) == len(parsed.kernels) else [str(place) for place in wanted]
        if for_any_group:
            further.append("for any group")
        key = digest(parsed.source, math_mode.value, self.toolchain.identity, self._package(), *further)

        def write(folder: Path) -> None:
            _write(self._build(parsed, math_mode), folder, wanted, for_any_group=for_any_group)

        folder = self.cache.entry(key, write)
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        origin = Origin(parsed, math_mode)
        kernels = []
        all_built = [BuiltKernel(Mode(mode), *rest) for mode, *rest in facts["kernels"]]
        alike = [place for place, built in zip(wanted, all_built, strict=True) if built.row]
        for index, (place, built) in enumerate(zip(wanted, all_built, strict=True)):
            signature = parsed.kernels[place]
            code, given = (folder / f"{index}.so").read_bytes(), (origin, signature, built)
            how, why, remark = (partial(find, *given) for find in (self._how, self._why, self._remark))
            together = tuple(alike) if len(alike) <= _TOGETHER and built.row else (place,)
            other = partial(self._compiled_for_any_group, parsed, math_mode, together, place)
            kernels.append(CompiledKernel(signature, built, code, origin, other, how, why, remark))
        return kernels, [Diagnostic(Severity(severity), *rest) for severity, *rest in facts["warnings"]]

    def _compiled_later(self, parsed: Unit, math_mode: MathMode, place: int) -> CompiledKernel:
        return self._compiled(parsed, math_mode, (place,))[0][0]

    def _compiled_for_any_group(
        self, parsed: Unit, math_mode: MathMode, together: Sequence[int], place: int
    ) -> CompiledKernel:
        """Compile a kernel with others of its file, of which a host that asks for one soon asks for the next."""
        return self._compiled(parsed, math_mode, together, for_any_group=True)[0][together.index(place)]

    def _how(self, origin: Origin, signature: KernelSignature, built: BuiltKernel) -> str:
        if not built.has_place:
            return built.how
        find = partial(self._build(origin.unit, origin.math_mode).line_of_refusal, signature, built.mode)
        return with_line(built.how, self._line("line", origin, signature, built, find))

    def _why(self, origin: Origin, signature: KernelSignature, built: BuiltKernel) -> str:
        if not built.is_placed:
            return built.why
        find = partial(self._build(origin.unit, origin.math_mode).line_outside_lanes, signature, built.mode)
        line = self._line("line outside lanes", origin, signature, built, find)
        return f"line {line}: {built.why}" if line else built.why

    def _remark(self, origin: Origin, signature: KernelSignature, built: BuiltKernel) -> str:
        if not built.is_long:
            return built.remark
        find = partial(self._build(origin.unit, origin.math_mode).line_of_most_code, signature, built.mode)
        line = self._line("line of most code", origin, signature, built, find)
        if not line:
            return built.remark
        most = f"line {line} becomes more code than any other"
        return f"{built.remark}; {most}" if built.remark else most

    def _line(
        self, what: str, origin: Origin, signature: KernelSignature, built: BuiltKernel, find: Callable[[], int]
    ) -> int:
        key = self._key(what, origin, signature.name, built.mode.name)

        def write(folder: Path) -> None:
            (folder / _FACTS).write_text(json.dumps(find()), encoding="utf-8")

        line: int = json.loads((self.cache.entry(key, write) / _FACTS).read_text(encoding="utf-8"))
        return line

    def _key(self, what: str, origin: Origin, *names: str) -> str:
        """Return a key of what is made of a source that has been compiled before."""
        return digest(what, origin.source, origin.math_mode.value, self.toolchain.identity, self._package(), *names)

    def check(self, origin: Origin, names: Sequence[str]) -> list[CheckedKernel]:
        """Instrument kernels that have been compiled before for the sanitizer."""
        key = self._key("checked", origin, *names)

        def write(folder: Path) -> None:
            known = {signature.name: signature for signature in origin.unit.kernels}
            build = self._build(origin.unit, origin.math_mode)
            kernels = build.checked_kernels([known[name] for name in names], folder)
            (folder / _FACTS).write_text(json.dumps([asdict(kernel) for kernel in kernels]), encoding="utf-8")

        folder = self.cache.entry(key, write)
        builds = [
            CheckedBuild(
                tuple(Site(**site) for site in facts["sites"]),
                tuple(Variable(**variable) for variable in facts["variables"]),
                tuple(facts["elements"]),
                facts["threadgroup_memory"],
            )
            for facts in json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        ]
        return [CheckedKernel(build, (folder / f"{index}.so").read_bytes()) for index, build in enumerate(builds)]

    def prepare_check(self, source: str | Unit, math_mode: MathMode, names: Sequence[str]) -> None:
        """Instrument kernels of a source that may not have been compiled before. Raises CompileError."""
        parsed = _read(source)
        forbidden = tuple(refuse(parsed.text))
        if forbidden:
            raise CompileError(forbidden)  # Clang is not to see it
        wanted = [signature.name for signature in parsed.kernels if signature.name in set(names)]
        if len(wanted) == len(names):  # else it does not have the kernels of its interface
            self.check(Origin(parsed, math_mode), wanted)

    def count(self, origin: Origin, name: str) -> CountedKernel:
        """Prepare a kernel that has been compiled before for counting."""
        key = self._key("counted", origin, name)

        def write(folder: Path) -> None:
            parsed = origin.unit
            signature = next(signature for signature in parsed.kernels if signature.name == name)
            target = replace(self.toolchain, target=_COUNTED_TARGET, architecture=_COUNTED_ARCHITECTURE)
            build = replace(self, toolchain=target)._build(parsed, origin.math_mode)
            counted = build.counted_kernel(signature, self.isolated(), folder / "0.so")
            (folder / _FACTS).write_text(json.dumps(asdict(counted)), encoding="utf-8")

        folder = self.cache.entry(key, write)
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        facts["blocks"] = tuple(
            BlockCost(
                **{
                    **block,
                    **{name: tuple(block[name]) for name in ("spilled", "reloaded", "crowded", "arrays")},
                    "lines": tuple(LineCost(**line) for line in block["lines"]),
                }
            )
            for block in facts["blocks"]
        )
        facts["sites"] = tuple(AccessSite(**site) for site in facts["sites"])
        for name_ in ("levels", "steering", "arrays"):
            facts[name_] = tuple(facts[name_])
        return CountedKernel(CountedBuild(**facts), (folder / "0.so").read_bytes())

    def _build(self, parsed: Unit, math_mode: MathMode) -> Build:
        if _HEADER.search(parsed.source):
            prelude = self.prelude(math_mode)
        else:
            prelude = None
        return Build(self.isolated(), parsed, math_mode, prelude)


def _read(source: str | Unit) -> Unit:
    """Parse a source. Raises CompileError for a text that is too long."""
    if isinstance(source, str):
        text = SourceText(source.encode(errors="surrogatepass"))
        if len(text.data) > MAX_SIZE:
            raise CompileError(list(refuse(text)))
    return as_unit(source)


def _check_parameters(parsed: Unit) -> Iterator[Diagnostic]:
    for parameter in (p for signature in parsed.kernels for p in unbound(signature)):
        message = f"invalid type '{parameter.type}' for buffer declaration"
        yield Diagnostic(Severity.ERROR, parameter.line, parameter.column, message)


def _at_once(parsed: Unit, named: Set[str]) -> tuple[int, ...]:
    """Choose kernels that are compiled with their file: all of a few, else those that are named, or the first.

    Of a thousand instantiations a program uses one.
    """
    every = range(len(parsed.kernels))
    if len(every) <= _AT_ONCE:
        return tuple(every)
    return tuple(place for place in every if parsed.kernels[place].name in named) or (0,)


def _write(build: Build, folder: Path, wanted: Sequence[int], *, for_any_group: bool) -> None:
    """Fill a cache entry."""
    kernels, warnings = build.kernels(folder, wanted, for_any_group=for_any_group)
    facts = {
        "kernels": [astuple(kernel) for kernel in kernels],
        "warnings": [(d.severity, d.line, d.column, d.message) for d in warnings],
    }
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")


def _merged(first: Sequence[Diagnostic], second: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Merge by place; of two errors at one place keep the first's, which is in Apple's words."""
    places = {(d.line, d.column) for d in first if d.severity is Severity.ERROR}
    kept = [d for d in second if (d.line, d.column) not in places or d.severity is not Severity.ERROR]
    return tuple(sorted([*first, *kept], key=lambda d: (d.line, d.column)))
