// Stands in for MLX's own headers where MLX is not installed: its names of types, and what kernels use most.
#include <metal_stdlib>
using namespace metal;

typedef half float16_t;
typedef bfloat bfloat16_t;

struct complex64_t {
    float real;
    float imag;
};

inline complex64_t operator+(complex64_t a, complex64_t b) { return {a.real + b.real, a.imag + b.imag}; }
inline complex64_t operator-(complex64_t a, complex64_t b) { return {a.real - b.real, a.imag - b.imag}; }
inline complex64_t operator*(complex64_t a, complex64_t b) {
    return {a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real};
}

template <typename T, typename U>
inline T ceildiv(T value, U by) {
    return (value + by - 1) / by;
}

// Where element `index`, counted row by row, lies in an array of any strides; in the type of `index`, as in MLX.
template <typename I>
inline I elem_to_loc(I index, constant const int* shape, constant const int64_t* strides, int ndim) {
    I place = 0;
    for (int d = ndim - 1; d >= 0; --d) {
        place += index % I(shape[d]) * I(strides[d]);
        index /= I(shape[d]);
    }
    return place;
}
