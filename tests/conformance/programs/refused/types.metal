// --- too_few_elements: each element has a value (specification, 2.2.2)
float4 f() {
    return float4(1, 2, 3);  // error: not as many as the vector has
}
// --- too_many_elements: each value has an element
float2 f(float4 v) {
    return float2(v);  // error: not as many as the vector has
}
// --- no_conversion_of_vectors: vectors convert by constructors only
void f() {
    float4 v = int4(1);  // error: cannot initialize a variable of type 'float4' (vector of 4 'float' values)
}
// --- shorter_vector: nor to another size
void f(float4 v) {
    float3 w = v;  // error: cannot initialize a variable of type 'float3' (vector of 3 'float' values) with an lvalue of type 'float4' (vector of 4 'float' values)
}
// --- vector_to_scalar: nor to a scalar
void f(float4 v) {
    float x = v;  // error: cannot initialize a variable of type 'float' with an lvalue of type 'float4' (vector of 4 'float' values)
}
// --- vector_assigned_to_scalar: nor to a scalar
kernel void k(device float *x) {
    x[0] = float2(1);  // error: assigning to 'float' from incompatible type
}
// --- mixed_vectors: of one type
float4 f(float4 a, int4 b) {
    return a + b;  // error: implicit conversions between vector types
}
// --- mixed_sizes: of one size
float4 f(float4 a, float3 b) {
    return a * b;  // error: vector
}
// --- component_beyond: a vector of three has no fourth
float f(float3 v) {
    return v.w;  // error: vector component access exceeds type 'float3' (vector of 3 'float' values)
}
// --- unknown_component: nor a component of that name
float f(float4 v) {
    return v.q;  // error: illegal vector component name 'q'
}
// --- mixed_components: one alphabet (specification, 2.2.1)
float2 f(float4 v) {
    return v.xg;  // error: illegal vector component name 'g'
}
// --- doubled_component: to which is written?
void f(float4 v) {
    v.xx = float2(1, 2);  // error: vector is not assignable (contains duplicate components)
}
// --- pointer_to_components: they are no object
void f(float4 v) {
    thread float2 *p = &v.xy;  // error: address of vector element requested
}
// --- too_many_assigned: as many on both sides
void f(float4 v) {
    v.xy = float4(1);  // error: assigning to 'float2' (vector of 2 'float' values) from incompatible type
}
// --- vector_as_condition: one or all?
float f(float4 a, float4 b) {
    if (a < b)  // error: is not contextually convertible to 'bool'
        return 1;
    return 0;
}
// --- bits_of_another_size: a scalar to a scalar
float f(half x) {
    return as_type<float>(x);  // error: as_type cast from 'half' to 'float' is not allowed
}
// --- bits_of_a_vector: a vector to a scalar
float f(float2 x) {
    return as_type<float>(x);  // error: as_type cast from vector 'float2' (vector of 2 'float' values) to scalar 'float' of different size
}
// --- bits_to_a_vector: a scalar to a vector
float2 f(float x) {
    return as_type<float2>(x);  // error: as_type cast from scalar 'float' to vector 'float2' (vector of 2 'float' values) of different size
}
// --- narrowing: braces lose nothing
int f() {
    return int{1.5f};  // error: type 'float' cannot be narrowed to 'int' in initializer list
}
// --- remainder_of_floats: fmod, not %
float f(float x) {
    return x % 2.0f;  // error: invalid operands to binary expression ('float' and 'float')
}
// --- shift_of_floats: integers only
float f(float x) {
    return x << 1;  // error: invalid operands to binary expression ('float' and 'int')
}
// --- constant_assigned: const is const
void f() {
    const float a = 1;
    a = 2;  // error: cannot assign to variable 'a' with const-qualified type 'const float'
}
// --- ambiguous: which of its overloads?
float f(float x) {
    return max(x, 0);  // error: call to 'max' is ambiguous
}
// --- ambiguous_minimum: which of its overloads?
uint f(uint n) {
    return min(n, 4);  // error: call to 'min' is ambiguous
}
// --- no_arguments: which of its overloads?
float f() {
    return sin();  // error: no matching function for call to 'sin'
}
// --- arguments: as many as parameters
float g(float a, float b) { return a + b; }
float f() {
    return g(1);  // error: no matching function for call to 'g'
}
// --- barrier_without_flags: which memory?
kernel void k(device float *x) {
    threadgroup_barrier();  // error: no matching function for call to 'threadgroup_barrier'
}
// --- returned: nothing is nothing
void f() {
    return 1;  // error: void function 'f' should not return a value
}
// --- not_returned: a value is a value
struct S { int a; };
S f() {
    return 1;  // error: no viable conversion from returned value of type 'int' to function return type 'S'
}
// --- matrix_of_another_size: columns and rows must fit
float4 f(float3x3 m, float4 v) {
    return m * v;  // error: 'float3x3'
}
// --- simdgroup_matrix: 8 × 8 and no other
kernel void k(device float *x) {
    simdgroup_matrix<float, 4, 4> m;  // error: simdgroup matrices are 8 x 8
}
// --- function_pointer: functions have no address here
float g(float x) { return x; }
float f() {
    float (*p)(float) = g;  // error: pointers to functions are not allowed
    return p(1);
}
// --- subscripted: numbers have no elements
float f(float x) {
    return x[0];  // error: subscripted value is not an array, pointer, or vector
}
// --- called: numbers are no functions
float f(float x) {
    return x(0);  // error: called object type 'float' is not a function or function pointer
}
// --- assertion: what the program says of itself
static_assert(sizeof(float3) == 12, "float3 is padded");  // error: float3 is padded
// --- template_argument: a number where a type belongs
vec<3, float> f();  // error: template argument for template type parameter must be a type
// --- incomplete: a struct without its members
struct S;
void f() {
    S s;  // error: variable has incomplete type 'S'
}
