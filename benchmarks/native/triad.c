// STREAM's triad over floats, a = b + s * c: `triad ELEMENTS`. For each line of input, seconds of one run: by the wall and
// of all threads' processor time, as ../opencl/peer.py. Memory in large pages, each first written by the thread that uses it.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static float *array(size_t elements) {
    const size_t page = (size_t)2 << 20, size = (elements * sizeof(float) + page - 1) / page * page;
    float *made = aligned_alloc(page, size);
    if (!made) exit(1);
    madvise(made, size, MADV_HUGEPAGE);
    return made;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    const size_t n = strtoull(arguments[1], 0, 10);
    float *restrict a = array(n), *restrict b = array(n), *restrict c = array(n);
#pragma omp parallel for
    for (size_t i = 0; i < n; ++i) {
        a[i] = 0;
        b[i] = 1;
        c[i] = 2;
    }
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        const double wall = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);
#pragma omp parallel for
        for (size_t i = 0; i < n; ++i) a[i] = b[i] + 3 * c[i];
        printf("%.9f %.9f\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - used);
        fflush(stdout);
    }
    return a[n / 2] == 7 ? 0 : 1;
}
