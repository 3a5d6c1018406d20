// --- direct: a function that calls itself
float factorial(float n) { return n < 2 ? 1 : n * factorial(n - 1); }  // error: 'factorial' calls itself
// --- mutual: two that call one another
bool odd(uint n);
bool even(uint n) { return n == 0 || odd(n - 1); }  // error: 'even' calls itself through 'odd'
bool odd(uint n) { return n != 0 && even(n - 1); }  // error: 'odd' calls itself through 'even'
// --- in_a_circle: three of them
float ping(float x);
float pong(float x) { return ping(x); }              // error: 'pong' calls itself through 'ping'
float pang(float x) { return pong(x - 1); }          // error: 'pang' calls itself through 'pong'
float ping(float x) { return x > 0 ? pang(x) : 0; }  // error: 'ping' calls itself through 'pang'
// --- in_a_template: whatever its arguments are
template <typename T> T gcd(T a, T b) { return b == 0 ? a : gcd(b, a % b); }  // error: 'gcd' calls itself
// --- with_its_own_arguments: the same instance
template <typename T, int N> T down(T x) {
    return x <= 0 ? T(0) : down<T, N>(x - N);  // error: 'down' calls itself
}
// --- in_a_method: of the same struct
struct Tree {
    int depth(int n) const { return n == 0 ? 0 : 1 + depth(n / 2); }  // error: 'depth' calls itself
};
// --- through_this: as above
struct Tree {
    int depth(int n) thread { return n == 0 ? 0 : 1 + this->depth(n / 2); }  // error: 'depth' calls itself
};
// --- methods_that_call_one_another: as functions
struct Walker {
    int left(int n) const { return n > 0 ? right(n - 1) : 0; }   // error: 'left' calls itself through 'right'
    int right(int n) const { return n > 0 ? left(n - 1) : 1; }   // error: 'right' calls itself through 'left'
};
// --- defined_outside: of its struct
struct Walker { int walk(int n) const; };
int Walker::walk(int n) const { return n > 0 ? walk(n - 1) : 0; }  // error: 'walk' calls itself
// --- in_a_namespace: as anywhere
namespace tree { int walk(int n) { return n ? walk(n - 1) : 0; } }  // error: 'walk' calls itself
// --- beside_a_kernel: who calls it does not matter
int collatz(int n) {
    if (n == 1)
        return 0;
    return 1 + collatz(n % 2 ? 3 * n + 1 : n / 2);  // error: 'collatz' calls itself
}
kernel void k(device int *x, uint i [[thread_position_in_grid]]) { x[i] = collatz(i); }
