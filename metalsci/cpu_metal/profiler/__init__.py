"""The profiler: a GPU's work on a kernel, counted while the software device executes it.

Compiling lets LLVM optimise a kernel for a single thread and not vectorise it; functions that a GPU's instruction set
computes in one or few instructions, such as `sin` or `simd_sum`, stay calls (`kept_calls.py`). The resulting text is
read (`counted_text.py`), its blocks are put in the order of its loops (`loops.py`), each instruction gets a price
(`cycles.py`), each block the chain of operations that wait for one another (`block_paths.py`), and each point the
values that are alive (`liveness.py`). Then calls of the runtime are put in, one for each block and each access
(`instrument.py`); threads of a simdgroup run in lockstep through them (runtime/profile.c). A few threadgroups, drawn by
a fixed seed, stand for all (`sampling.py`). Counts become a `Profile` (`counters.py`, `tally.py`).
"""
