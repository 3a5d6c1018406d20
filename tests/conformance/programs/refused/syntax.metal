// --- semicolon: at the end of a statement
void f() {
    float a = 1  // error: expected ';' at end of declaration
}
// --- brace: at the end of a function
void f() {  // error: expected '}'
    if (true) {
}
// --- parenthesis: around an expression
float f(float a) {
    return (a + 1;  // error: expected ')'
}
// --- expression: something to add
float f(float a) {
    return a + ;  // error: expected expression
}
// --- break: out of what?
void f() {
    break;  // error: 'break' statement not in loop or switch statement
}
// --- case_twice: which of them?
int f(int a) {
    switch (a) {
        case 1: return 1;
        case 1: return 2;  // error: duplicate case value '1'
    }
    return 0;
}
// --- else: of what?
int f(int a) {
    else return 1;  // error: expected expression
}
// --- directive: a condition is closed
#if 1  // error: unterminated conditional directive
void f() {}
// --- error_directive: what the program says of itself
#error this machine is too small  // error: this machine is too small
// --- statement_outside: of any function
x = 1;  // error: a type specifier is required for all declarations
// --- nested_function: functions stand outside
void f() {
    void g() {}  // error: function definition is not allowed here
}
// --- forty_errors: each is told
void f() {
    a1 = a2;  // error: use of undeclared identifier 'a1'
    b1 = 1;   // error: use of undeclared identifier 'b1'
    c1 = 1;   // error: use of undeclared identifier 'c1'
    d1 = 1;   // error: use of undeclared identifier 'd1'
    e1 = 1;   // error: use of undeclared identifier 'e1'
}
// --- in_a_macro: told of its use
#define STORE(p) p[0] = missing
kernel void k(device float *x) {
    STORE(x);  // error: use of undeclared identifier 'missing'
}
// --- in_a_template: told of the template
template <typename T> float f(T x) {
    return x.length();  // error: member reference base type 'float' is not a structure or union
}
float g() { return f(1.0f); }
