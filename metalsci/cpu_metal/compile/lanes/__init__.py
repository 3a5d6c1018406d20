"""Whole kernels in lanes: the text of one thread made into the text of a vector of threads.

section: where threads begin and end, and their code cut at barriers. flow: its nodes, loops and ways. shapes: values
    that are the same in all lanes. variables: the threads' variables in memory. values, widen, memory, steps: scalars
    and vectors in place of a thread's values. plan: which nodes need masks, and their order. nodes, masked, control: a
    node, those under masks, and a region of both. kernel: all of it together.
"""
