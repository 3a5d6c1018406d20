// --- identifier: no such name
kernel void k(device float *x) {
    x[0] = y;  // error: use of undeclared identifier 'y'
}
// --- position: it must be declared
kernel void k(device float *x) {
    x[thread_position_in_grid] = 1;  // error: use of undeclared identifier 'thread_position_in_grid'
}
// --- function: no such function
kernel void k(device float *x) {
    x[0] = lerp(1.0f, 2.0f, 0.5f);  // error: use of undeclared identifier 'lerp'
}
// --- function_of_c: not Metal's
kernel void k(device float *x) {
    x[0] = sqrtf(2.0f);  // error: use of undeclared identifier 'sqrtf'
}
// --- function_of_opencl: not Metal's
kernel void k(device float *x) {
    x[get_global_id(0)] = 1;  // error: use of undeclared identifier 'get_global_id'
}
// --- function_of_cuda: not Metal's
kernel void k(device float *x) {
    __syncthreads();  // error: use of undeclared identifier '__syncthreads'
}
// --- function_of_glsl: not Metal's
kernel void k(device float *x) {
    x[0] = mod(5.0f, 3.0f);  // error: use of undeclared identifier 'mod'
}
// --- standard_library: not Metal's
kernel void k(device float *x) {
    x[0] = std::max(1.0f, 2.0f);  // error: use of undeclared identifier 'std'
}
// --- printing: not Metal's
kernel void k(device float *x) {
    printf("x");  // error: use of undeclared identifier 'printf'
}
// --- namespace_member: no such name in it
kernel void k(device float *x) {
    x[0] = metal::lerp(1.0f, 2.0f, 0.5f);  // error: no member named 'lerp' in namespace 'metal'
}
// --- flags: no such flag
kernel void k(device float *x) {
    threadgroup_barrier(mem_flags::mem_everything);  // error: no member named 'mem_everything' in 'metal::mem_flags'
}
// --- type: no such type
kernel void k(device float *x) {
    float5 y = 1;  // error: unknown type name 'float5'
}
// --- address_space_of_opencl: not Metal's
kernel void k(device float *x) {
    __global float *y = x;  // error: unknown type name '__global'
}
// --- cast_of_opencl: not Metal's
kernel void k(device float *x) {
    x[0] = addrspace_cast<float>(x[1]);  // error: use of undeclared identifier 'addrspace_cast'
}
// --- builtin: the compiler's own
kernel void k(device float *x) {
    x[0] = __builtin_sqrtf(2.0f);  // error: '__builtin_sqrtf'
}
// --- member: no such member
struct S { float a; };
float f(S s) { return s.b; }  // error: no member named 'b' in 'S'
// --- method: no such method
struct S { float a; };
float f(S s) { return s.get(); }  // error: no member named 'get' in 'S'
// --- member_of_a_number: numbers have none
float f(int a) { return a.x; }  // error: member reference base type 'int' is not a structure or union
// --- template: no such template
void f() { vector<float> v; }  // error: no template named 'vector'
// --- half: a type as a name
kernel void k(device float *x) {
    float half = 1;  // error: cannot combine with previous 'float' declaration specifier
}
// --- kernel: a keyword as a name
void f() {
    float kernel = 1;  // error: expected unqualified-id
}
// --- device: a keyword as a name
void f() {
    float device = 1;  // error: expected unqualified-id
}
// --- thread: a keyword as a name
void f() {
    uint thread = 1;  // error: expected unqualified-id
}
// --- constant: a keyword as a name
void f() {
    float constant = 1;  // error: expected unqualified-id
}
// --- threadgroup: a keyword as a name
void f() {
    uint threadgroup = 1;  // error: expected unqualified-id
}
// --- vertex: a keyword as a name
void f() {
    float vertex = 1;  // error: expected unqualified-id
}
// --- fragment: a keyword as a name
void f() {
    int fragment = 1;  // error: expected unqualified-id
}
// --- class_keyword: C++'s keywords too
void f() {
    int class = 1;  // error: declaration of anonymous class must be a definition
}
// --- redefinition: one name, one thing
void f() {
    float a = 1;
    int a = 2;  // error: redefinition of 'a'
}
// --- redefined_function: one name, one thing
float f(float x) { return x; }
float f(float y) { return y; }  // error: redefinition of 'f'
// --- private_member: its struct's own
class C { float a; };
float f(C c) { return c.a; }  // error: 'a' is a private member of 'C'
// --- deleted: not to be called
struct S { S(int) = delete; };
void f() { S s(1); }  // error: call to deleted constructor of 'S'
// --- header: only Metal's own
#include <vector>  // error: 'vector' file not found
// --- own_names: the headers' own are not for use
float f() {
    return _make();  // error: '_make'
}
