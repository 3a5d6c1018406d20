// Structs, methods and the address space of the object they are called on.
#include <metal_stdlib>
using namespace metal;

struct Point { float x, y; };
// gives 1 2 8
kernel void aggregate(device float *out) { Point p = {1, 2}; out[0] = p.x; out[1] = p.y; out[2] = sizeof(Point); }

// gives 3 4
kernel void braces_without_equals(device float *out) { Point p{3, 4}; Point q = Point{p.x, p.y}; out[0] = q.x; out[1] = q.y; }

// gives 5 2
kernel void copies_are_apart(device float *out) { Point p = {1, 2}, q = p; q.x = 5; out[0] = q.x; out[1] = p.y; }

struct Counter {
    int n;
    void add(int k) thread { n += k; }
    int get() const thread { return n; }
    int get() const device { return -n; }
    static int seven() { return 7; }
};
// gives 3 7
kernel void methods_by_address_space(device float *out) { Counter c = {1}; c.add(2); out[0] = c.get(); out[1] = Counter::seven(); }

// The method for `device` is another one.
// gives 0
kernel void methods_of_memory(device float *out) { device Counter *c = (device Counter *)out; c->n = 0; out[0] = c->get(); }

struct Circle {
    float r;
    Circle(float r) thread : r(r) {}
    float area() const thread { return r * r; }
};
// gives 9
kernel void constructors(device float *out) { out[0] = Circle(3).area(); }

struct Defaults { int a = 4; float b = 0.5; };
// gives 4 0.5
kernel void defaults_of_members(device float *out) { Defaults d; out[0] = d.a; out[1] = d.b; }

struct Complex {
    float re, im;
    Complex operator*(Complex o) const { return {re * o.re - im * o.im, re * o.im + im * o.re}; }
};
Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
// gives -3 4 -6 8
kernel void operators(device float *out) {
    Complex a = {1, 2}, b = a * a, c = b + b;
    out[0] = b.re; out[1] = b.im; out[2] = c.re; out[3] = c.im;
}

struct Grid {
    float cells[4];
    thread float &operator[](int i) thread { return cells[i]; }
    float operator[](int i) const thread { return cells[i]; }
};
// gives 6
kernel void subscripts(device float *out) { Grid g = {{1, 2, 3, 4}}; g[2] = 6; out[0] = g[2]; }

struct Adder { float k; float operator()(float x) const { return x + k; } };
// gives 5
kernel void function_objects(device float *out) { Adder add = {2}; out[0] = add(3); }

struct Outer { struct Inner { int v; } inner; enum Kind { SMALL = 2, LARGE = 9 }; Kind kind; };
// gives 3 9
kernel void nested(device float *out) { Outer o = {{3}, Outer::LARGE}; out[0] = o.inner.v; out[1] = o.kind; }

union Bits { float f; uint u; };
// gives 1065353216
kernel void unions(device float *out) { Bits b; b.f = 1; out[0] = b.u; }

struct Flags { uint low : 4; uint high : 4; };
// gives 5 9 4
kernel void bit_fields(device float *out) { Flags f = {5, 9}; out[0] = f.low; out[1] = f.high; out[2] = sizeof(Flags); }

struct Base { float a; float twice() const { return 2 * a; } };
struct Derived : Base { float b; };
// gives 6 4
kernel void derived(device float *out) { Derived d; d.a = 3; d.b = 4; out[0] = d.twice(); out[1] = d.b; }

// gives 2 6
kernel void constants_are_copied(device float *out, constant Point &p [[buffer(1)]]) { Point q = p; out[0] = 2 * (q.x > 0); out[1] = 6; }

float sum(Point p, float z) { return p.x + p.y + z; }
Point copy(constant Point &p) { return p; }
constant Point origin = {3, 4};
// gives 8 3 4 3
kernel void constants_are_passed_by_value(device float *out) {
    Point p;
    p = origin;
    out[0] = sum(origin, 1); out[1] = copy(origin).x; out[2] = p.y;
    p = copy(origin);
    out[3] = p.x;
}

struct Tag {};
constant Tag tag = {};
constexpr Tag tagged() { return Tag(); }
// gives 1
kernel void constants_of_empty_structs(device float *out) { out[0] = sizeof(tagged()); }

struct Tagged { Tagged() = default; Tagged(const thread Tagged &) = default; int v; };
// gives 8
kernel void defaulted_methods(device float *out) { Tagged t; t.v = 8; Tagged u = t; out[0] = u.v; }

class Hidden { int v = 2; public: int get() const { return v; } friend int peek(Hidden h) { return h.v + 1; } };
// gives 2 3
kernel void access(device float *out) { Hidden h; out[0] = h.get(); out[1] = peek(h); }

struct Converts { float v; operator float() const { return v; } explicit operator int() const { return int(v) + 1; } };
// gives 2.5 3
kernel void conversions(device float *out) { Converts c = {2.5}; out[0] = c; out[1] = int(c); }

struct alignas(16) Aligned { float a; };
// gives 16 16
kernel void alignment(device float *out) { out[0] = sizeof(Aligned); out[1] = alignof(Aligned); }

struct Node { device float *next; int n; };
// gives 7
kernel void pointers_as_members(device float *out) { Node node = {out, 1}; node.next[0] = 7; }
