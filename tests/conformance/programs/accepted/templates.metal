// Templates.
#include <metal_stdlib>
using namespace metal;

template <typename T> T twice(T x) { return x + x; }
// gives 3 8
kernel void deduced(device float *out) { out[0] = twice(1.5f); out[1] = twice(4); }

template <typename T, int N> T times(T x) { return x * N; }
// gives 6
kernel void values(device float *out) { out[0] = times<float, 3>(2); }

template <typename T, uint N> struct Array { T v[N]; T sum() const { T s = T(0); for (uint k = 0; k < N; ++k) s += v[k]; return s; } };
// gives 6
kernel void classes(device float *out) { Array<float, 3> a = {{1, 2, 3}}; out[0] = a.sum(); }

template <typename T> struct Size { static constexpr constant int value = 1; };
template <> struct Size<half> { static constexpr constant int value = 2; };
template <typename T> struct Size<vec<T, 2>> { static constexpr constant int value = 3; };
// gives 1 2 3
kernel void specialisations(device float *out) { out[0] = Size<int>::value; out[1] = Size<half>::value; out[2] = Size<float2>::value; }

// Not a recursion: each is a function of its own.
template <int N> float power(float x) { return x * power<N - 1>(x); }
template <> float power<0>(float) { return 1; }
// gives 8
kernel void instances_call_one_another(device float *out) { out[0] = power<3>(2); }

template <typename T> T total(T x) { return x; }
template <typename T, typename... R> T total(T x, R... rest) { return x + total(rest...); }
// gives 10
kernel void packs(device float *out) { out[0] = total(1, 2, 3, 4); }

template <typename T> enable_if_t<is_floating_point_v<T>, int> kind(T) { return 1; }
template <typename T> enable_if_t<is_integral_v<T>, int> kind(T) { return 2; }
// gives 1 2
kernel void chosen_by_traits(device float *out) { out[0] = kind(1.0h); out[1] = kind(1u); }

template <typename T> using Pair = vec<T, 2>;
// gives 4
kernel void aliases(device float *out) { Pair<float> p = Pair<float>(1, 4); out[0] = p.y; }

template <typename T = float, int N = 2> struct Default { T v = N; };
// gives 2 5
kernel void default_arguments(device float *out) { Default<> a; Default<int, 5> b; out[0] = a.v; out[1] = b.v; }

template <typename F> float apply(F f, float x) { return f(x); }
struct Square { float operator()(float x) const { return x * x; } };
// gives 9
kernel void functions_as_arguments(device float *out) { out[0] = apply(Square(), 3); }

template <typename T> void store(device T *p, T x) { *p = x; }
template <typename T> void store(thread T *p, T x) { *p = x + 1; }
// gives 1 2
kernel void overloads_by_address_space(device float *out) { float local; store(out, 1.0f); store(&local, 1.0f); out[1] = local; }

// A pointer to what the template chooses needs no address space of its own.
template <typename P> float first(P p) { return p[0]; }
// gives 5
kernel void pointers_are_deduced(device float *out) { out[0] = 5; out[0] = first(out); }

template <int N> struct Unrolled { static float run(float x) { return Unrolled<N - 1>::run(x) + 1; } };
template <> struct Unrolled<0> { static float run(float x) { return x; } };
// gives 5
kernel void unrolled_by_classes(device float *out) { out[0] = Unrolled<4>::run(1); }

template <typename T, typename U> struct Same { enum { value = 0 }; };
template <typename T> struct Same<T, T> { enum { value = 1 }; };
// gives 1 0
kernel void partial_specialisations(device float *out) { out[0] = Same<int, int>::value; out[1] = Same<int, uint>::value; }

template <bool B> float choose() { if constexpr (B) return 1; else return 2; }
// gives 1 2
kernel void branches_at_compile_time(device float *out) { out[0] = choose<true>(); out[1] = choose<false>(); }
