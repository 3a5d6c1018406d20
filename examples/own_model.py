"""Search with a model of your own: any object that answers a prompt with a kernel. This one hands in files.

python examples/own_model.py
"""

from pathlib import Path

from metalsci import Prompt, Response, run

FILES = sorted(Path("tasks/gradshaf/examples").glob("*.metal"))


class Folder:
    """Model that answers with the kernels of a folder, one after the other."""

    name = "folder"

    def propose(self, prompt: Prompt) -> Response:
        file = FILES[(prompt.iteration - 1) % len(FILES)]
        return Response(f"The idea is in {file.name}.\n\n```metal\n{file.read_text(encoding='utf-8')}\n```\n")


def main() -> None:
    summary = run(["task=gradshaf", f"budget.iterations={len(FILES)}", "tracker=none"], model=Folder())
    print(f"{summary.self_speedup:.1f} times as fast as the seed kernel; the gate says: {summary.gate.verdict}")


if __name__ == "__main__":
    main()
