"""Whole kernels in lanes: the text of one thread made into the text of a vector of threads.

section: where threads begin and end, and their code cut at barriers. flow: its nodes, loops and ways. shapes: what is
the same in all lanes. variables: what threads keep in memory. values, widen, memory, steps: scalars and vectors in
place of a thread's values. control: branches under masks. kernel: all of it together.
"""
