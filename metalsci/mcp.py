"""Serve tasks and tools to agents over the Model Context Protocol: `python -m metalsci.mcp [--http PORT] [settings]`.

Tools: tasks, prompt, check, evaluate, profile, submit, status. Each task has one run, which begins with the first call
that needs it; settings are those of `python -m metalsci.run`, such as budget.iterations=20 device=virtual. Standard
input and output by default; `--http PORT` serves http://127.0.0.1:PORT/mcp instead, to this machine alone. How an agent
uses it: docs/agents/README.md. Needs pip install 'metalsci[mcp]'.
"""

import argparse
import sys
from collections.abc import Sequence

from metalsci.cli.exit_codes import EXIT_USAGE


def main(arguments: Sequence[str] | None = None) -> int:
    about, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m metalsci.mcp",
        description=about,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("settings", nargs="*", metavar="key=value", help="of the runs")
    parser.add_argument("--http", type=int, metavar="PORT", help="serve HTTP on loopback instead of standard input")
    parser.add_argument(
        "--evaluations", type=int, default=10, metavar="N", help="evaluations that may be asked for an attempt"
    )
    told = parser.parse_args(arguments)
    wrong = [each for each in told.settings if "=" not in each]
    if wrong:
        parser.error(f"'{wrong[0]}' is not of the form key=value")
    if any(each.startswith(("task=", "model=", "json=", "--")) for each in told.settings):
        parser.error("task and model are the client's: leave task=, model= and json= out")
    if any(each.startswith("search.in_flight=") for each in told.settings):
        parser.error("a client answers one prompt after the other: leave search.in_flight= out")
    if told.http is not None and not 0 < told.http < 65536:
        parser.error(f"--http {told.http}: a port has a number from 1 to 65535")
    if told.evaluations < 0:
        parser.error(f"--evaluations {told.evaluations}: at least 0")
    try:
        import mcp  # noqa: F401
    except ImportError:
        sys.stderr.write("metalsci: the MCP SDK is not installed: pip install 'metalsci[mcp]'\n")
        return EXIT_USAGE
    from metalsci.cli.mcp_server import serve

    if told.http is not None:
        sys.stderr.write(f"metalsci: http://127.0.0.1:{told.http}/mcp\n")
    serve(told.settings, told.evaluations, told.http)
    return 0


if __name__ == "__main__":
    sys.exit(main())
