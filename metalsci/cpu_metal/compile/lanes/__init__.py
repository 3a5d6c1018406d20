"""Whole kernels in lanes: the text of one thread made into the text of a vector of threads.

section: where threads begin and end, and their code cut at barriers. flow: its nodes, loops and ways. shapes: values
    that are the same in all lanes. variables: the threads' variables in memory. sparse: threads that end at once.
    values, widen, memory, own_places, steps: scalars and vectors in place of a thread's values. plan: nodes that need
    masks, and their order. nodes, masked, control: a node, those under masks, and all of a region's. side_by_side:
    loops of which several turns run at once. tile, storage, region: the loop over a group's vectors of threads, and
    what is kept between two such loops.
    kernel: all of it together.
"""
