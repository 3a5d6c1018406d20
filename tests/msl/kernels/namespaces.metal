// run inside threads=20 group=20 x=20 y=20
#include <metal_stdlib>
using namespace metal;
namespace physics {
using real = float;
constant real G = 9.81f;
inline real fall(real t) { return 0.5f * G * t * t; }
namespace detail { inline real clip(real v) { return clamp(v, -1.0f, 1.0f); } }
}
typedef physics::real scalar;
kernel void inside(device const scalar *x, device scalar *y, uint i [[thread_position_in_grid]]) {
    y[i] = physics::fall(physics::detail::clip(x[i]));
}
