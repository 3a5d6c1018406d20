"""A process that runs a task's OpenCL kernels when told to, see ../peers.py.

`python peer.py FOLDER`, in which `program.json` says what to run and `inputs.npz` on what. The first line of output is
what runs it, as JSON; then, for each line of input, seconds of one run: by the wall and of all threads' processor time.
A line `results` writes `results.npz`.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyopencl as cl

OPTIONS = ["-cl-fast-relaxed-math", "-cl-mad-enable"]


def main() -> None:
    folder = Path(sys.argv[1])
    wanted = json.loads((folder / "program.json").read_text(encoding="utf-8"))
    platform = next(p for p in cl.get_platforms() if wanted["platform"] in p.name)
    device = platform.get_devices()[0]
    context = cl.Context([device])
    queue = cl.CommandQueue(context)
    program = cl.Program(context, Path(wanted["source"]).read_text(encoding="utf-8")).build(OPTIONS)
    buffers = _buffers(context, wanted, np.load(folder / "inputs.npz"))
    runs = [_bound(program, buffers, call) for call in wanted["calls"]]
    print(
        json.dumps({"platform": platform.version, "device": device.name, "driver": device.driver_version}), flush=True
    )
    for line in sys.stdin:
        if line.strip() == "results":
            _write(queue, wanted, buffers, folder / "results.npz")
            print(flush=True)
            continue
        wall, used = time.perf_counter(), time.process_time()
        for fills, kernel, threads, group in runs:
            for buffer, size, pattern in fills:
                cl.enqueue_fill_buffer(queue, buffer, pattern, 0, size)
            cl.enqueue_nd_range_kernel(queue, kernel, threads, group)
        queue.finish()
        print(time.perf_counter() - wall, time.process_time() - used, flush=True)


def _buffers(context: Any, wanted: dict[str, Any], inputs: Any) -> dict[str, Any]:
    flags = cl.mem_flags
    found = {name: cl.Buffer(context, flags.READ_WRITE, size) for name, size in wanted["buffers"].items()}
    for name in inputs.files:
        found[name] = cl.Buffer(context, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=inputs[name])
    return found


def _bound(program: Any, buffers: dict[str, Any], call: dict[str, Any]) -> tuple[Any, ...]:
    kernel = cl.Kernel(program, call["kernel"])
    for index, argument in enumerate(call["arguments"]):
        value = argument["value"]
        kernel.set_arg(index, np.dtype(argument["dtype"]).type(value) if "dtype" in argument else buffers[value])
    fills = [(buffers[name], size, np.dtype(dtype).type(value)) for name, size, dtype, value in call["fills"]]
    return fills, kernel, call["threads"], call["group"]


def _write(queue: Any, wanted: dict[str, Any], buffers: dict[str, Any], path: Path) -> None:
    found: dict[str, Any] = {}
    for name in wanted["results"]:
        found[name] = np.empty(wanted["buffers"][name], np.uint8)
        cl.enqueue_copy(queue, found[name], buffers[name])
    np.savez(path, **found)


if __name__ == "__main__":
    main()
