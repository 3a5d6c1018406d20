"""Pipelines' `maxTotalThreadsPerThreadgroup`, by a few lines of Swift: what Apple's compiler gave a kernel's registers.

The compiler allots registers in classes, and this limit names the class. Neither MLX nor Python can ask for it.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

_SCRIPT = Path(__file__).with_suffix(".swift")
_SECONDS = 120.0  # Swift compiles the script first


def pipeline_limits(source: str) -> dict[str, int]:
    """Return the limit of each kernel by name; nothing without Xcode's tools, or for what Metal refuses."""
    tools = shutil.which("xcrun")
    if tools is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernels.metal"
        file.write_text(source, encoding="utf-8")
        try:
            told = subprocess.run(
                [tools, "swift", str(_SCRIPT), str(file)], capture_output=True, text=True, timeout=_SECONDS, check=True
            )
        except (subprocess.SubprocessError, OSError):
            return {}
    pairs = (line.split() for line in told.stdout.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
