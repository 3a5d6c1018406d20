"""The host's thread at the end of a command buffer."""

import re
from pathlib import Path

import metalsci.cpu_metal

POOL = Path(metalsci.cpu_metal.__file__).parent / "runtime" / "pool.c"


def test_the_host_sleeps_until_the_last_worker_has_left() -> None:
    """It spun, often on the processor of the worker that it waited for, until the system took it from there.

    A timed test would tell on some machines and not on others, so this one reads the code.
    """
    run = re.search(r"void metal_run\(.*?\n}\n", POOL.read_text(encoding="utf-8"), re.DOTALL)
    assert run is not None
    assert "relax" not in run[0]
    assert "futex_wait" in run[0]
