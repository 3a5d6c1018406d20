// Names that are free in Metal, though they mean something to OpenCL or to the standard library.
#include <metal_stdlib>
using namespace metal;

// gives 1 2 3 4
kernel void words_of_opencl(device float *out) { float local = 1, global = 2, generic = 3, pipe = 4; out[0] = local; out[1] = global; out[2] = generic; out[3] = pipe; }

struct Image { int read_only; int write_only; int read_write; };
// gives 1 2
kernel void words_of_opencl_as_members(device float *out) { Image image = {1, 2, 3}; out[0] = image.read_only; out[1] = image.write_only; }

// gives 3
kernel void words_of_opencl_in_threadgroup_memory(device float *out) { threadgroup float local[2]; local[1] = 3; out[0] = local[1]; }

float4 vec_step(float4 global) { return global + 1; }
// gives 2
kernel void words_of_opencl_as_functions(device float *out) { out[0] = vec_step(float4(1)).x; }

// gives 1 2 3
kernel void types_of_opencl(device float *out) { float event_t = 1, image2d_t = 2, sampler_t = 3; out[0] = event_t; out[1] = image2d_t; out[2] = sampler_t; }

float get_global_id(int i) { return i + 5; }
// gives 6
kernel void functions_of_opencl(device float *out) { out[0] = get_global_id(1); }

// gives 1 2 3 4
kernel void names_of_metal_in_a_scope(device float *out) { float array = 1, sampler = 2, uniform = 3, object = 4; out[0] = array; out[1] = sampler; out[2] = uniform; out[3] = object; }

// gives 7 8
kernel void names_of_functions(device float *out) { float min = 7, length = 8; out[0] = min; out[1] = length; }

// gives 1 2
kernel void names_of_attributes(device float *out, uint thread_position_in_grid [[thread_position_in_grid]]) { uint buffer = 1; out[0] = buffer + thread_position_in_grid; out[1] = 2; }

#define SQUARE(x) ((x) * (x))
#define LOAD(p, k) float2(p[k], 1)
#define CHOOSE(a, ...) (a + SUM(__VA_ARGS__))
#define SUM(a, b) (a + b)
#define NAME(a, b) a##b
#define TEXT(a) #a
// gives 9 6 3
kernel void macros(device float *out) { int NAME(va, lue) = 3; out[0] = SQUARE(value); out[1] = CHOOSE(1, 2, 3); out[2] = sizeof(TEXT(ab)); }

// gives 1 1
kernel void macros_that_construct(device float *out) { out[0] = 1; out[1] = LOAD(out, 0).y; }

#if 0
This is not read: goto, new and float *p; may stand here.
#endif
#ifndef __METAL_VERSION__
float *pointer_of_the_host;
#endif
// gives 1 1
kernel void conditions(device float *out) {
#if defined(__METAL__) && __METAL_VERSION__ >= 310
    out[0] = 1;
#else
    out[0] = new float;
#endif
#ifdef UNKNOWN
    goto nowhere;
#elif 1
    out[1] = 1;
#endif
}

/* In comments goto, try and float *p; are words. */
// gives 1
kernel void comments(device float *out) { out[0] = 1; /* throw */ }  // virtual

struct Deleted { Deleted() = default; Deleted(int) = delete; int v = 2; };
// gives 2
kernel void deleted_methods(device float *out) { Deleted d; out[0] = d.v; }
