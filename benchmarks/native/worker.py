"""A process that runs a task's kernels in C when told to, by the protocol of ../opencl/peer.py.."""

import ctypes
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SCALARS = {"<u4": ctypes.c_uint32, "<f4": ctypes.c_float}


def main() -> None:
    folder = Path(sys.argv[1])
    wanted = json.loads((folder / "program.json").read_text(encoding="utf-8"))
    library = ctypes.CDLL(wanted["source"])
    buffers: dict[str, Any] = {name: np.zeros(size, np.uint8) for name, size in wanted["buffers"].items()}
    inputs = np.load(folder / "inputs.npz")
    buffers |= {name: inputs[name] for name in inputs.files}
    runs = [_bound(library, buffers, call) for call in wanted["calls"]]
    print(json.dumps({"platform": wanted["platform"], "device": "", "driver": ""}), flush=True)
    for line in sys.stdin:
        if line.strip() == "results":
            np.savez(folder / "results.npz", **{name: buffers[name] for name in wanted["results"]})
            print(flush=True)
            continue
        wall, used = time.perf_counter(), time.process_time()
        for function, arguments in runs:
            function(*arguments)
        print(time.perf_counter() - wall, time.process_time() - used, flush=True)


def _bound(library: Any, buffers: dict[str, Any], call: dict[str, Any]) -> tuple[Any, list[Any]]:
    arguments = []
    for argument in call["arguments"]:
        if "dtype" in argument:
            arguments.append(SCALARS[argument["dtype"]](argument["value"]))
        else:
            arguments.append(ctypes.c_void_p(buffers[argument["value"]].ctypes.data))
    return getattr(library, call["kernel"]), arguments


if __name__ == "__main__":
    main()
