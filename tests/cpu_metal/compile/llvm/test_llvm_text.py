"""LLVM's text, read and taken apart."""

import pytest

from metalsci.cpu_metal.compile.llvm.function import Function, definitions, function_of
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.text import operands, typed
from metalsci.cpu_metal.compile.llvm.value_types import Layout, layout, type_of

MODULE = """\
@table = constant [2 x float] zeroinitializer

define void @metal_run(ptr noundef %0, i32 %n) #0 {
  %2 = icmp ugt i32 %n, 1
  br i1 %2, label %3, label %done

3:                                                ; preds = %1, %3
  %i = phi i32 [ 0, %1 ], [ %4, %3 ]
  %4 = add nuw nsw i32 %i, 1
  switch i32 %4, label %3 [
    i32 7, label %done
    i32 -2, label %done
  ]

done:
  ret void
}
"""


def test_a_function_has_its_blocks_and_they_know_one_another() -> None:
    function = function_of(MODULE, "metal_run")
    assert function is not None
    assert [block.label for block in function.blocks] == ["%.n1", "%.n3", "%done"]
    assert function.predecessors == {"%.n1": [], "%.n3": ["%.n1", "%.n3"], "%done": ["%.n1", "%.n3"]}
    assert function.by_label["%.n3"].successors == ("%.n3", "%done")
    assert function.defined["%.n4"].opcode == "add"
    assert [use.opcode for use in function.uses["%.n4"]] == ["phi", "switch"]
    assert function.by_label["%.n3"].phis[0].labels == ("%.n1", "%.n3")


def test_definitions_are_found_by_their_lines() -> None:
    lines = MODULE.split("\n")
    (found,) = definitions(lines)
    assert (found.name, lines[found.first][:6], lines[found.last]) == ("metal_run", "define", "}")
    assert function_of(MODULE, "nothing") is None


@pytest.mark.parametrize(
    "line, opcode, kind, flags, detail, given",
    [
        ("%a = add nuw nsw i32 %b, -1", "add", "i32", "nuw nsw", "", ["i32 %b", "i32 -1"]),
        ("%a = fneg fast <4 x float> %b", "fneg", "<4 x float>", "fast", "", ["<4 x float> %b"]),
        ("%a = icmp samesign ult <2 x i32> %b, splat (i32 3)", "icmp", "<2 x i1>", "samesign", "ult",
         ["<2 x i32> %b", "<2 x i32> splat (i32 3)"]),
        ("%a = zext nneg i32 %b to i64", "zext", "i64", "nneg", "", ["i32 %b"]),
        ("%a = load volatile i32, ptr %p, align 4, !tbaa !3", "load", "i32", "volatile", "", ["ptr %p"]),
        ("%a = load atomic i32, ptr %p monotonic, align 4", "load", "i32", "atomic", "", ["ptr %p"]),
        ("store <2 x float> <float 1.0, float 2.0>, ptr @table, align 8", "store", "void", "", "",
         ["<2 x float> <float 1.0, float 2.0>", "ptr @table"]),
        ("%a = getelementptr inbounds nuw [8 x float], ptr %p, i64 0, i64 %i", "getelementptr", "ptr",
         "inbounds nuw", "[8 x float]", ["ptr %p", "i64 0", "i64 %i"]),
        ("%a = select nsz i1 %c, float %x, float 1.0", "select", "float", "nsz", "",
         ["i1 %c", "float %x", "float 1.0"]),
        ("%a = tail call noundef float @llvm.fma.f32(float %x, float noundef %y, float 1.0) #3", "call", "float", "",
         "@llvm.fma.f32", ["float %x", "float %y", "float 1.0"]),
        ("%a = call fast range(i32 0, 4) i32 @f()", "call", "i32", "fast", "@f", []),
        ("%a = shufflevector <2 x float> %x, <2 x float> poison, <4 x i32> <i32 0, i32 1, i32 poison, i32 poison>",
         "shufflevector", "<4 x float>", "", "", ["<2 x float> %x", "<2 x float> poison",
                                                  "<4 x i32> <i32 0, i32 1, i32 poison, i32 poison>"]),
        ("%a = extractelement <4 x half> %x, i64 2", "extractelement", "half", "", "", ["<4 x half> %x", "i64 2"]),
        ("%a = extractvalue { i32, i1 } %x, 1", "extractvalue", "i1", "", "1", ["{ i32, i1 } %x"]),
        ("%a = atomicrmw volatile add ptr %p, i32 1 monotonic, align 4", "atomicrmw", "i32", "volatile", "add",
         ["ptr %p", "i32 1"]),
        ("%a = cmpxchg weak ptr %p, i32 %x, i32 %y monotonic monotonic, align 4", "cmpxchg", "{ i32, i1 }", "weak", "",
         ["ptr %p", "i32 %x", "i32 %y"]),
        ("%a = alloca [32 x float], align 16", "alloca", "ptr", "", "[32 x float]", []),
        ("ret void", "ret", "void", "", "", []),
    ],
)  # fmt: skip
def test_an_instruction_is_taken_apart(
    line: str, opcode: str, kind: str, flags: str, detail: str, given: list[str]
) -> None:
    read = Instruction.parse(line)
    assert (read.opcode, read.type, read.flags, read.detail) == (opcode, kind, flags, detail)
    assert list(map(str, read.operands)) == given


def test_what_is_no_instruction_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown operation"):
        Instruction.parse("%x = conjure i32 %y")


def test_constants_are_no_local_values() -> None:
    store = Instruction.parse('store float 1.0, ptr %"a b", align 4, !tbaa !7, !dbg !8')
    assert store.used == ['%"a b"'] and store.metadata == ", !tbaa !7, !dbg !8" and store.align == 4
    assert store.operands[0] == Operand("float", "1.0")


def test_operands_are_cut_outside_brackets() -> None:
    assert operands("<2 x float> <float 1.0, float 2.0>, ptr %p") == ["<2 x float> <float 1.0, float 2.0>", "ptr %p"]
    assert typed("ptr noundef nonnull align 8 dereferenceable(4) %p") == ("ptr", "%p")
    constant = "add (i64 ptrtoint (ptr @x to i64), i64 3)"
    assert typed(f"i64 {constant}") == ("i64", constant)


@pytest.mark.parametrize(
    "kind, size, align",
    [
        ("i1", 1, 1),
        ("<3 x float>", 16, 16),
        ("[3 x <2 x half>]", 12, 4),
        ("{ i32, [3 x i8], ptr }", 16, 8),
        ("{ i8, i64 }", 16, 8),
    ],
)
def test_layouts_are_the_machine_s(kind: str, size: int, align: int) -> None:
    assert layout(kind) == Layout(size, align)


def test_types_with_names_have_no_layout() -> None:
    assert layout("%struct.S") is None and layout("[2 x %struct.S]") is None
    assert type_of("%struct.S").count == 0


def test_functions_without_arguments_count_their_values_from_their_entry() -> None:
    function = Function.parse(["define i32 @f() {", "  %1 = add i32 1, 2", "  ret i32 %1", "}"])
    assert function.blocks[0].label == "%.n0" and list(function.defined) == ["%.n1"]


def test_values_without_names_get_none_that_clang_gives() -> None:
    """Clang names choices `%.`, `%.1` and so on: half of the recorded FFT kernels have one and a number alike."""
    lines = [
        "define void @f(i1 %0, i32 %a) {",
        "  %.2 = select i1 %0, i32 %a, i32 1",
        "  %2 = add i32 %.2, 1",
        "  ret void",
        "}",
    ]
    assert list(Function.parse(lines).defined) == ["%.2", "%.n2"]
