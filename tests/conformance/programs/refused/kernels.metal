// --- returns: a kernel returns nothing
kernel int k() { return 0; }  // error: invalid return type 'int' for kernel function
// --- returns_a_vector: a kernel returns nothing
kernel float4 k() { return 0; }  // error: invalid return type 'float4' (vector of 4 'float' values) for kernel function
// --- variadic: its arguments are counted
kernel void k(device float *x, ...) {}  // error: variadic arguments are not allowed in Metal qualified functions
// --- member: it is no method
struct S { kernel void k(device float *x [[buffer(0)]]) {} };  // error: kernel function cannot be a member function
// --- overloaded: its name is its own (specification, 1.5.1)
kernel void k(device float *x) {}
kernel void k(device int *x) {}  // error: redefinition of 'k'
// --- value: from a buffer, not by value
kernel void k(uint n) {}  // error: invalid type 'uint' (aka 'unsigned int') for input declaration in a kernel function
// --- value_in_a_buffer: a buffer is a pointer
kernel void k(uint n [[buffer(0)]]) {}  // error: type 'uint' (aka 'unsigned int') is not valid for attribute 'buffer'
// --- struct_by_value: from a buffer, not by value
struct P { uint n; };
kernel void k(P p) {}  // error: invalid type 'P' for input declaration in a kernel function
// --- limit_behind: the attribute stands before the kernel
kernel void k(device float *x) [[max_total_threads_per_threadgroup(64)]] {}  // error: 'max_total_threads_per_threadgroup' attribute cannot be applied to types
// --- limit_on_its_own_line: the attribute stands before the kernel
kernel void k(device float *x)
    [[max_total_threads_per_threadgroup(64)]]  // error: 'max_total_threads_per_threadgroup' attribute cannot be applied to types
{}
// --- limit_before_the_name: the attribute stands before the kernel
kernel void [[max_total_threads_per_threadgroup(64)]] k() {}  // error: 'max_total_threads_per_threadgroup' attribute cannot be applied to types
// --- limit_after_the_word: the attribute stands before the kernel
kernel [[max_total_threads_per_threadgroup(64)]] void k() {}  // error: an attribute list cannot appear here
// --- limit_on_a_parameter: the attribute stands before the kernel
kernel void k(device float *x [[max_total_threads_per_threadgroup(64)]]) {}  // error: attribute only applies to functions
// --- position_on_a_kernel: it is a parameter's
[[thread_position_in_grid]] kernel void k() {}  // error: 'thread_position_in_grid' attribute only applies to parameters
// --- buffer_on_a_kernel: it is a parameter's
[[buffer(0)]] kernel void k(device float *x) {}  // error: 'buffer' attribute only applies to parameters
// --- other_stage: vertices are for vertex functions
kernel void k(uint v [[vertex_id]]) {}  // error: invalid 'vertex_id' attribute for input declaration in a kernel function
// --- fragments: as above
kernel void k(float4 p [[position]]) {}  // error: invalid 'position' attribute for input declaration in a kernel function
// --- stage_in: not here
struct In { float a; };
kernel void k(In in [[stage_in]]) {}  // error: invalid 'stage_in' attribute for input declaration in a kernel function
// --- signed_position: positions are unsigned
kernel void k(int i [[thread_position_in_grid]]) {}  // error: type 'int' is not valid for attribute 'thread_position_in_grid'
// --- wide_position: of at most three components
kernel void k(uint4 i [[thread_position_in_grid]]) {}  // error: is not valid for attribute 'thread_position_in_grid'
// --- floating_position: positions are integers
kernel void k(float2 i [[threads_per_grid]]) {}  // error: is not valid for attribute 'threads_per_grid'
// --- vector_index: indices are scalars
kernel void k(uint2 lane [[thread_index_in_simdgroup]]) {}  // error: is not valid for attribute 'thread_index_in_simdgroup'
// --- position_by_reference: positions come by value
kernel void k(constant uint &i [[thread_position_in_grid]]) {}  // error: is not valid for attribute 'thread_position_in_grid'
// --- widths_differ: all scalars or all vectors of one width
kernel void k(uint i [[thread_position_in_grid]],  // error: expecting input declarations with either all scalar types or all vector types
              uint2 n [[threads_per_grid]]) {}
// --- both_widths: one value has two names
kernel void k(uint a [[thread_execution_width]],  // error: 'thread_execution_width' and 'threads_per_simdgroup'
              uint b [[threads_per_simdgroup]]) {}
// --- index_too_large: there are 31 buffers
kernel void k(device float *x [[buffer(31)]]) {}  // error: 'buffer' attribute parameter is out of bounds: must be between 0 and 30
// --- index_negative: as above
kernel void k(device float *x [[buffer(-1)]]) {}  // error: 'buffer' attribute parameter is out of bounds: must be between 0 and 30
// --- index_missing: which buffer?
kernel void k(device float *x [[buffer]]) {}  // error: 'buffer' attribute takes one argument
// --- index_taken: one buffer a place
kernel void k(device float *x [[buffer(1)]],
              device float *y [[buffer(1)]]) {}  // error: cannot reserve 'buffer' resource location at index 1
// --- threadgroup_buffer: it is not the host's
kernel void k(threadgroup float *t [[buffer(0)]]) {}  // error: invalid address space qualification for buffer pointee type 'threadgroup float'
// --- thread_buffer: nor is the thread's memory
kernel void k(thread float *t [[buffer(0)]]) {}  // error: invalid address space qualification for buffer pointee type
// --- threadgroup_value: threadgroup memory is a pointer
kernel void k(int g [[threadgroup(0)]]) {}  // error: type 'int' is not valid for attribute 'threadgroup'
// --- misspelled_attribute: ignored, so that the parameter is none
kernel void k(uint i [[thread_position_in_gird]]) {}  // error: invalid type 'uint' (aka 'unsigned int') for input declaration in a kernel function
// --- position_twice: it is told once
kernel void k(uint i [[thread_position_in_grid]],
              uint j [[thread_position_in_grid]]) {}  // error: declaration with attribute 'thread_position_in_grid' already specified
