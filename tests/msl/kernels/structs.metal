// run orbit threads=48 group=16 x=48 y=48
#include <metal_stdlib>
using namespace metal;
struct Complex {
    float re, im;
    Complex times(Complex other) const { return {re * other.re - im * other.im, re * other.im + im * other.re}; }
    float norm2() const { return re * re + im * im; }
};
enum Mode { Inner = 1, Outer = 4 };
kernel void orbit(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {
    Complex z = {x[i], 0.25f};
    const Complex c = z;
    int steps = 0;
    while (steps < 20 && z.norm2() < float(Outer)) {
        z = z.times(c);
        z.re += 0.3f;
        steps += Inner;
    }
    y[i] = float(steps) + z.im;
}
