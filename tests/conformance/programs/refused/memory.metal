// --- device_to_thread: a cast changes no address space
kernel void k(device float *x) {
    thread float *p = (thread float *)x;  // error: C-style cast from 'device float *' to 'float *' converts between mismatching address spaces
    p[0] = 1;
}
// --- device_to_constant: nor this one
kernel void k(device float *x) {
    constant float *p = (constant float *)x;  // error: C-style cast from 'device float *' to 'const constant float *' converts between mismatching address spaces
    x[1] = p[0];
}
// --- device_to_threadgroup: nor this one
kernel void k(device float *x) {
    threadgroup float *p = (threadgroup float *)x;  // error: C-style cast from 'device float *' to 'threadgroup float *' converts between mismatching address spaces
}
// --- constant_to_device: nor this one
kernel void k(device float *x, constant float *c) {
    ((device float *)c)[0] = x[0];  // error: C-style cast from 'const constant float *' to 'device float *' converts between mismatching address spaces
}
// --- thread_to_device: nor this one
kernel void k(device float *x) {
    float a = 1;
    device float *p = (device float *)&a;  // error: C-style cast from 'float *' to 'device float *' converts between mismatching address spaces
}
// --- reinterpreted: nor by this word
kernel void k(device float *x) {
    thread uint *p = reinterpret_cast<thread uint *>(x);  // error: reinterpret_cast from 'device float *' to 'uint *' (aka 'unsigned int *') is not allowed
}
// --- static_cast_to_another: nor by this word
kernel void k(device float *x) {
    thread float *p = static_cast<thread float *>(x);  // error: static_cast from 'device float *' to 'float *' is not allowed
}
// --- assigned: nor by an assignment
kernel void k(device float *x, constant float *c) {
    device float *p = x;
    p = c;  // error: assigning 'const constant float *' to 'device float *' changes address space of pointer
}
// --- initialised: nor by an initialisation
kernel void k(device float *x) {
    threadgroup float *p = x;  // error: cannot initialize a variable of type 'threadgroup float *' with an lvalue of type 'device float *'
}
// --- passed: nor by a call
float first(constant float *p) { return p[0]; }
kernel void k(device float *x) {
    x[0] = first(x);  // error: no matching function for call to 'first'
}
// --- bound: nor by a reference
kernel void k(device float *x) {
    thread float &r = x[0];  // error: address space
}
// --- returned: nor by a function's value
thread float *f(device float *x) {
    return x;  // error: cannot initialize return object of type 'float *' with an lvalue of type 'device float *'
}
// --- constant_written: it cannot be written to
kernel void k(constant float *c) {
    c[0] = 1;  // error: read-only variable is not assignable
}
// --- constant_reference_written: it cannot be written to
kernel void k(constant uint &n) {
    n += 1;  // error: read-only variable is not assignable
}
// --- constant_device_written: it cannot be written to
kernel void k(const device float *x) {
    x[0] = 1;  // error: read-only variable is not assignable
}
// --- program_scope: only constants live there
float g = 1;  // error: program scope variable must reside in constant address space
// --- program_scope_const: `const` is no address space
const float g = 1;  // error: program scope variable must reside in constant address space
// --- program_scope_constexpr: nor is `constexpr`
constexpr float g = 1;  // error: program scope variable must reside in constant address space
// --- program_scope_static: nor is `static`
static float g = 1;  // error: program scope variable must reside in constant address space
// --- program_scope_device: nor does another address space do
device float g = 1;  // error: program scope variable must reside in constant address space
// --- program_scope_threadgroup: threadgroup memory belongs to kernels
threadgroup float tile[16];  // error: program scope variable must reside in constant address space
// --- program_scope_array: arrays too
const int table[2] = {1, 2};  // error: program scope variable must reside in constant address space
// --- program_scope_namespace: in a namespace too
namespace n { float g = 1; }  // error: program scope variable must reside in constant address space
// --- static_member: a variable in program scope as well
struct S { static int count; };  // error: program scope variable must reside in constant address space
int S::count = 0;  // error: program scope variable must reside in constant address space
// --- constant_uninitialised: a constant has a value
constant float g;  // error: variable in constant address space must be initialized
// --- constant_of_a_variable: that the compiler knows
kernel void k(device float *x) {}
constant float g = 1 + h;  // error: use of undeclared identifier 'h'
// --- extern_variable: only constants live there
kernel void k(device float *x) {
    extern float g;  // error: extern variable must reside in constant address space
    x[0] = g;
}
// --- automatic_device: a variable of a function is the thread's
kernel void k(device float *x) {
    device float y = 1;  // error: automatic variable qualified with an address space
    x[0] = y;
}
// --- automatic_constant: a variable of a function is the thread's
kernel void k(device float *x) {
    constant float y = 1;  // error: automatic variable qualified with an address space
    x[0] = y;
}
// --- threadgroup_initialised: who would do it?
kernel void k(device float *x) {
    threadgroup float t = 0;  // error: 'threadgroup' variable cannot have an initializer
    x[0] = t;
}
// --- threadgroup_array_initialised: who would do it?
kernel void k(device float *x) {
    threadgroup float t[2] = {1, 2};  // error: 'threadgroup' variable cannot have an initializer
    x[0] = t[0];
}
// --- parameter_by_value: an argument is the thread's
kernel void k(device float *x, constant uint n) {}  // error: parameter may not be qualified with an address space
