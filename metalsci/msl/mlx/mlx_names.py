"""Names that `mx.fast.metal_kernel` brings into the text it builds (MLX 0.32)."""

from metalsci.msl.language.attributes import BUILT_IN

ARGUMENTS: frozenset[str] = BUILT_IN
"""Declared as arguments, under their own names, wherever the source contains them as a substring."""

INPUT_SUFFIXES = ("_shape", "_strides", "_ndim")
"""`x_shape` in the source adds an argument of that name for the input `x`."""

SAME_TYPES: frozenset[str] = frozenset({"bool", "uchar", "short", "ushort", "int", "uint", "half", "bfloat", "float"})
"""Scalars whose fixed-width name in MLX's signature is the very same type. `char` and the 64-bit types are two types
of the same size, which pointers do not convert between."""

CONSTANT_BELOW = 8
"""Inputs of fewer elements reach the kernel in the constant address space; of none, as a reference."""

PREAMBLE: frozenset[str] = frozenset(
    {
        "ConditionalType",
        "CROSS_ENTROPY_N_READS",
        "Limits",
        "LoopedElemToLoc",
        "MAX_REDUCE_SPECIALIZED_DIMS",
        "REDUCE_N_READS",
        "REDUCE_N_WRITES",
        "RMS_LOOPED_LIMIT",
        "RMS_N_READS",
        "SOFTMAX_N_READS",
        "WorkPerThread",
        "bfloat16_t",
        "bfloat16_to_uint16",
        "cast_to",
        "ceildiv",
        "complex32_t",
        "complex64_t",
        "complex_t",
        "elem_to_loc",
        "elem_to_loc_1",
        "elem_to_loc_2",
        "elem_to_loc_2_nd",
        "elem_to_loc_3",
        "elem_to_loc_3_nd",
        "float16_t",
        "hypot",
        "is_complex_v",
        "is_lane_convertible_v",
        "log1p",
        "mlx",
        "schedule_row_tile",
        "uint16_to_bfloat16",
    }
)
"""Defined at file scope by the preamble that MLX compiles before the text; none of them is Metal's own."""
