// --- parameter: of a function
float f(float *p) { return *p; }  // error: pointer type must have explicit address space qualifier
// --- constant_parameter: `const` is no address space
float f(const float *p) { return *p; }  // error: pointer type must have explicit address space qualifier
// --- reference_parameter: of a function
void f(float &x) { x = 1; }  // error: reference type must have explicit address space qualifier
// --- constant_reference_parameter: of a function
float f(const float4 &v) { return v.x; }  // error: reference type must have explicit address space qualifier
// --- parameter_without_a_name: in a prototype
void f(float *);  // error: pointer type must have explicit address space qualifier
// --- each_parameter: each is told
void f(float *a,    // error: pointer type must have explicit address space qualifier
       device float *b,
       int &c) {}   // error: reference type must have explicit address space qualifier
// --- kernel_parameter: of a kernel
kernel void k(float *x [[buffer(0)]]) { x[0] = 1; }  // error: pointer type must have explicit address space qualifier
// --- kernel_reference: of a kernel
kernel void k(device float *x, const uint &n [[buffer(1)]]) {}  // error: reference type must have explicit address space qualifier
// --- variable: of a function
kernel void k(device float *x) {
    float *p = x;  // error: pointer type must have explicit address space qualifier
    *p = 1;
}
// --- variable_of_the_thread: though the target is the thread's
kernel void k(device float *x) {
    float a = 1;
    float *p = &a;  // error: pointer type must have explicit address space qualifier
    x[0] = *p;
}
// --- reference_variable: of a function
kernel void k(device float *x) {
    float &r = x[0];  // error: reference type must have explicit address space qualifier
    r = 1;
}
// --- second_of_two: in one declaration
void f() {
    float a = 1,
          *p = &a;  // error: pointer type must have explicit address space qualifier
}
// --- array_of_pointers: the elements are pointers
void f() { float *rows[4]; }  // error: pointer type must have explicit address space qualifier
// --- pointer_to_an_array: as to anything
void f(float (*rows)[4]) {}  // error: pointer type must have explicit address space qualifier
// --- reference_to_an_array: as to anything
float f(float (&a)[4]) { return a[0]; }  // error: reference type must have explicit address space qualifier
// --- member: of a struct
struct S { int n; float *data; };  // error: pointer type must have explicit address space qualifier
// --- reference_member: of a struct
struct S { float &x; };  // error: reference type must have explicit address space qualifier
// --- method_parameter: of a struct's method
struct S { float v; void set(const S &other) { v = other.v; } };  // error: reference type must have explicit address space qualifier
// --- operator_parameter: of an operator
struct S { float v; };
S operator+(const S &a, S b) { return {a.v + b.v}; }  // error: reference type must have explicit address space qualifier
// --- typedef: of a type
typedef float *Floats;  // error: pointer type must have explicit address space qualifier
// --- using: of a type
using Floats = const float *;  // error: pointer type must have explicit address space qualifier
// --- alias_behind_it: an alias of a type without one
typedef float Real;
void f(Real *x) {}  // error: pointer type must have explicit address space qualifier
// --- struct_behind_it: a struct of the file
struct Particle { float3 x; };
float f(Particle *p) { return p->x.x; }  // error: pointer type must have explicit address space qualifier
// --- enumeration_behind_it: an enumeration of the file
enum Kind { A, B };
void f(Kind &kind) {}  // error: reference type must have explicit address space qualifier
// --- void_pointer: as to anything
void f(void *p) {}  // error: pointer type must have explicit address space qualifier
// --- cast: in an expression
float f(device int *x) { return *(float *)x; }  // error: pointer type must have explicit address space qualifier
// --- reinterpret_cast: in an expression
float f(device int *x) { return *reinterpret_cast<float *>(x); }  // error: pointer type must have explicit address space qualifier
// --- sizeof: wherever the type is written
int f() { return sizeof(float *); }  // error: pointer type must have explicit address space qualifier
// --- template_argument: wherever the type is written
bool f() { return is_pointer_v<float *>; }  // error: pointer type must have explicit address space qualifier
// --- returned_pointer: from a function
float *f(device float *x) { return 0; }  // error: pointer type must have explicit address space qualifier
// --- returned_reference: from a method
struct S { float v[4]; float &operator[](int i) { return v[i]; } };  // error: reference type must have explicit address space qualifier
// --- in_a_template: of a type that does not depend on it
template <typename T> T f(T x, float *p) { return x; }  // error: pointer type must have explicit address space qualifier
// --- qualifier_of_the_pointer: it says where the pointer is, not where it leads
void f(float *thread p) {}  // error: pointer type must have explicit address space qualifier
// --- rvalue_reference: as any reference
void f(float &&x) {}  // error: reference type must have explicit address space qualifier
// --- matrix_reference: a type of Metal's
float f(const float4x4 &m) { return m[0][0]; }  // error: reference type must have explicit address space qualifier
// --- qualified_name: a type of Metal's
float f(metal::float3 &v) { return v.x; }  // error: reference type must have explicit address space qualifier
// --- atomic_pointer: a type of Metal's
void f(atomic_uint *n) {}  // error: pointer type must have explicit address space qualifier
// --- unsigned_pointer: a type of two words
void f(unsigned int *n) {}  // error: pointer type must have explicit address space qualifier
