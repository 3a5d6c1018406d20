"""The attributes that Metal knows on kernels and on their parameters."""

from collections.abc import Mapping

POSITIONS: frozenset[str] = frozenset(
    {
        "dispatch_threads_per_threadgroup",
        "grid_origin",
        "grid_size",
        "thread_position_in_grid",
        "thread_position_in_threadgroup",
        "threadgroup_position_in_grid",
        "threadgroups_per_grid",
        "threads_per_grid",
        "threads_per_threadgroup",
    }
)
"""Scalars or vectors of up to three components, all of one width in a kernel."""

INDICES: frozenset[str] = frozenset(
    {
        "dispatch_quadgroups_per_threadgroup",
        "dispatch_simdgroups_per_threadgroup",
        "quadgroup_index_in_threadgroup",
        "quadgroups_per_threadgroup",
        "simdgroup_index_in_threadgroup",
        "simdgroups_per_threadgroup",
        "thread_execution_width",
        "thread_index_in_quadgroup",
        "thread_index_in_simdgroup",
        "thread_index_in_threadgroup",
        "threads_per_simdgroup",
    }
)
"""Scalars."""

BUILT_IN = POSITIONS | INDICES

RESOURCES: Mapping[str, int] = {"buffer": 30, "threadgroup": 30, "texture": 127, "sampler": 15}
"""Attributes that bind a resource, and their highest index."""

OTHER_STAGES: frozenset[str] = frozenset(
    {
        "amplification_id",
        "barycentric_coord",
        "base_instance",
        "base_vertex",
        "depth",
        "front_facing",
        "instance_id",
        "point_coord",
        "position",
        "primitive_id",
        "sample_id",
        "sample_mask",
        "vertex_id",
    }
)
"""Inputs of vertex, fragment and other functions that kernels do not have."""

ON_PARAMETERS = BUILT_IN | frozenset(RESOURCES) | OTHER_STAGES | {"function_constant", "stage_in", "maybe_unused"}

LIMIT = "max_total_threads_per_threadgroup"

ON_KERNELS: frozenset[str] = frozenset(
    {LIMIT, "host_name", "kernel", "maybe_unused", "required_threads_per_threadgroup"}
)
