"""Judge a kernel of your own: its results, its undefined behaviour, its speed next to the seed kernel's.

python examples/judge_kernels.py
"""

from pathlib import Path

from metalsci import check, compare, evaluate

SEED = Path("tasks/saxpy/seed.metal").read_text(encoding="utf-8")
MINE = SEED.replace("x[i]", "x[i] * 1.0f")  # as fast, one hopes
WRONG = SEED.replace("+ y[i]", "- y[i]")
BEYOND = SEED.replace("x[i]", "x[i + 1]")
SIZES = ["N=1048576"]  # the smallest; without it all three are judged


def main() -> None:
    for name, source in {"mine": MINE, "wrong": WRONG}.items():
        evaluation = evaluate("saxpy", source, sizes=SIZES, settings=["repeats.timed=3"])
        print(f"{name}: {evaluation.outcome}")

    findings = check(BEYOND, task="saxpy").findings
    print(f"beyond: {findings[0].kind} in line {findings[0].line}")

    comparison = compare("saxpy", {"seed kernel": SEED, "mine": MINE}, sizes=SIZES)
    (mine,) = comparison.pairs
    print(f"mine runs {mine.speedup:.2f} times as fast on {comparison.device}")


if __name__ == "__main__":
    main()
