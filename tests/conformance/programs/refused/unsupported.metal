// --- goto: no jumps, nor labels (specification, 1.5.4)
kernel void k(device float *x) {
    goto end;  // error: 'goto' is not supported in Metal
end:           // error: labeled statements are not supported in Metal
    x[0] = 1;
}
// --- label: even if nothing jumps there
kernel void k(device float *x) {
again:  // error: labeled statements are not supported in Metal
    x[0] = 1;
}
// --- new: no heap
kernel void k(device float *x) { x[0] = *new float(1); }  // error: 'new' is not supported in Metal
// --- new_array: no heap
kernel void k(device float *x) {
    thread float *p = new float[4];  // error: 'new' is not supported in Metal
    x[0] = p[0];
}
// --- delete: no heap
kernel void k(device float *x) { delete x; }  // error: 'delete' is not supported in Metal
// --- try: no exceptions
kernel void k(device float *x) {
    try {  // error: 'try' is not supported in Metal
        x[0] = 1;
    } catch (int) {
        x[0] = 2;
    }
}
// --- throw: no exceptions
float f(float x) {
    if (x < 0)
        throw 1;  // error: 'throw' is not supported in Metal
    return x;
}
// --- catch_all: no exceptions
void f() { try { f2(); } catch (...) {} }  // error: 'try' is not supported in Metal
// --- dynamic_cast: no types at run time
struct A { int v; };
int f(thread A *a) { return dynamic_cast<thread A *>(a)->v; }  // error: 'dynamic_cast' is not supported in Metal
// --- typeid: no types at run time
bool f(int a) { return typeid(a) == typeid(int); }  // error: 'typeid' is not supported in Metal
// --- thread_local: a thread's variables are its own already
kernel void k(device float *x) {
    thread_local int n = 0;  // error: 'thread_local' is not supported in Metal
    x[0] = n;
}
// --- register: a storage class that Metal leaves out
kernel void k(device float *x) {
    register int n = 0;  // error: Metal does not support the 'register' storage class specifier
    x[0] = n;
}
// --- register_parameter: as for variables
float f(register float x) { return x; }  // error: Metal does not support the 'register' storage class specifier
// --- virtual: no calls through tables
struct Shape { virtual float area() const { return 0; } };  // error: virtual member functions are not supported in Metal
// --- pure_virtual: as above
struct Shape { virtual float area() const = 0; };  // error: virtual member functions are not supported in Metal
// --- virtual_destructor: as above
struct Shape {
    float r;
    virtual ~Shape() = default;  // error: virtual member functions are not supported in Metal
};
// --- noexcept_operator: there is nothing to ask
bool f(float x) { return noexcept(x + 1); }  // error: 'noexcept' is not supported in Metal
// --- noexcept_function: there is nothing to promise
void f() noexcept {}  // error: 'noexcept' is not supported in Metal
// --- double_variable: no arithmetic in 64 bits
kernel void k(device float *x) {
    double y = 1;  // error: 'double' is not supported in Metal
    x[0] = y;
}
// --- double_argument: nor in buffers
kernel void k(device double *x) { x[0] = 1; }  // error: 'double' is not supported in Metal
// --- double_member: nor in structs
struct S { double a; };  // error: 'double' is not supported in Metal
// --- double_template: nor as an argument of a template
void f() { vec<double, 2> v; }  // error: 'double' is not supported in Metal
// --- double_cast: nor in passing
float f(float x) { return (double)x; }  // error: 'double' is not supported in Metal
// --- long_long: 64 bits are `long`
long long f() { return 1; }  // error: 'long long' is not supported in Metal
// --- unsigned_long_long: as above
kernel void k(device float *x) {
    unsigned long long n = 1;  // error: 'unsigned long long' is not supported in Metal
    x[0] = n;
}
// --- long_double: no wide numbers
long double f() { return 1; }  // error: 'long double' is not supported in Metal
// --- lambda: from Metal 3.2 on
kernel void k(device float *x) {
    auto f = [](float a) { return a * 2; };  // error: lambda expressions are not supported in Metal
    x[0] = f(1);
}
// --- lambda_that_captures: as above
kernel void k(device float *x) {
    float a = 2;
    auto f = [&] { a += 1; };  // error: lambda expressions are not supported in Metal
    f();
}
// --- lambda_as_an_argument: as above
template <typename F> float apply(F f) { return f(1); }
kernel void k(device float *x) {
    x[0] = apply([=](float a) -> float { return a; });  // error: lambda expressions are not supported in Metal
}
// --- static_variable: a kernel keeps nothing between calls
kernel void k(device float *x) {
    static int n = 0;  // error: variables in function scope cannot be declared static
    x[0] = n;
}
// --- static_variable_in_a_helper: as above
float f() {
    static float cache[4];  // error: variables in function scope cannot be declared static
    return cache[0];
}
// --- zero_length: an array has elements
struct Tail { int n; float data[0]; };  // error: zero-length arrays are not permitted in C++
// --- variable_length: nor is its size known at run time only
kernel void k(device float *x, constant uint &n) {
    float a[n];  // error: array size is not a constant expression
    x[0] = a[0];
}
// --- main: a name that cannot be called
int main() { return 0; }  // error: non-qualified function cannot be called 'main'
// --- assembly: not Metal's
void f() { asm("nop"); }  // error: inline assembly is not supported in Metal
// --- restrict: C's word is not C++'s
float f(device float *restrict x) { return x[0]; }  // error: expected ')'
// --- restrict_variable: as above
void f(device float *x) { device float *restrict y = x; }  // error: expected ';' at end of declaration
// --- exceptions_in_a_branch_that_is_read: the condition is decided by the file
#if __METAL_VERSION__ >= 300
void f() { throw 1; }  // error: 'throw' is not supported in Metal
#endif
// --- several: each is told
kernel void k(device float *x) {
    double a = 1;          // error: 'double' is not supported in Metal
    auto p = new float();  // error: 'new' is not supported in Metal
    x[0] = unknown;        // error: use of undeclared identifier 'unknown'
}
