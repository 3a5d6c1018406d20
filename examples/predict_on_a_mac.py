"""Predict a kernel's time on Apple GPUs from what the software device counts, and ask what bounds it.

python examples/predict_on_a_mac.py
"""

from pathlib import Path

from metalsci import profile

TASK = Path("tasks/heat2d")


def main() -> None:
    source = (TASK / "seed.metal").read_text(encoding="utf-8")
    for chip in ("M1 Pro", "M2 Max"):
        prediction = profile("heat2d", source, chip=chip)
        term, share = prediction.bottleneck
        print(f"{chip}: predicted {1e3 * prediction.seconds:.2f} ms, {share:.0%} of it {term}")


if __name__ == "__main__":
    main()
