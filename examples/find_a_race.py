"""Test a Metal kernel without a GPU: run it on the software device, and let the sanitizer look at every access.

python examples/find_a_race.py
"""

import numpy as np

from metalsci.cpu_metal import Device, Dispatch, DispatchError

SUM = """
#include <metal_stdlib>
using namespace metal;

kernel void group_sum(device const float *x [[buffer(0)]], device float *sums [[buffer(1)]],
                      uint i [[thread_position_in_grid]], uint lane [[thread_position_in_threadgroup]],
                      uint group [[threadgroup_position_in_grid]]) {
    threadgroup float part[64];
    part[lane] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint half_way = 32; half_way > 0; half_way /= 2) {
        if (lane < half_way) part[lane] += part[lane + half_way];
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (lane == 0) sums[group] = part[0];
}
"""
BARRIER = "        threadgroup_barrier(mem_flags::mem_threadgroup);\n"


def main() -> None:
    x = np.arange(256, dtype=np.float32)
    with Device() as device:
        for name, source in {"with barriers": SUM, "without": SUM.replace(BARRIER, "")}.items():
            kernel = device.compile(source).kernels["group_sum"]
            sums = device.empty((4,), "float32")
            group_sum = Dispatch(kernel, {0: device.buffer(x), 1: sums}, threads=(256,), threadgroup=(64,))
            try:
                device.run([group_sum], check=True)
            except DispatchError as error:
                print(f"{name}: {error.findings[0].kind} in line {error.findings[0].line}")
            else:
                print(f"{name}: {sums.array}")


if __name__ == "__main__":
    main()
