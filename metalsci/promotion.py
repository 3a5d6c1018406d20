"""`python -m metalsci.promotion`: the error rates of promotion by paired tests, measured on this machine.

Searches whose challengers equal the incumbent show how often a run promotes a kernel that is not faster; challengers
that do 5 % less work show how often a gain is found. Both are tried on the machine as it is, and next to eight busy
processes.
"""

import argparse
import sys
from collections.abc import Sequence

from metalsci.cli.consoles import accept_any_console
from metalsci.cli.exit_codes import EXIT_FAILED


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each load; exits with 1 if a rate is worse than it should be, with 2 for bad arguments."""
    accept_any_console()
    parser = argparse.ArgumentParser(prog="python -m metalsci.promotion", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--searches", type=int, default=300, help="at each load (300: about ten minutes when idle)")
    parser.add_argument("--challengers", type=int, default=25, help="equal ones in each search")
    parser.add_argument("--load", type=int, nargs="+", default=[0, 8], help="busy processes next to the search")
    parser.add_argument("--turns", type=int, default=4000, help="work of a thread of the kernels")
    parser.add_argument("--alpha", type=float, default=0.01, help="promised risk of a run")
    parser.add_argument("--gain", type=float, default=0.05, help="gain to be found: 0.05 for 5 %%")
    parser.add_argument("--power", type=float, default=0.9, help="promised chance of finding it")
    told = parser.parse_args(arguments)
    if min(told.searches, told.challengers, told.turns) < 1 or min(told.load) < 0:
        parser.error("searches, challengers and turns are at least 1, and no load is negative")

    from metalsci.devices.ceilings import GivenCeilings
    from metalsci.devices.cpu.cpu_device import CpuDevice
    from metalsci.evaluation.error_rates import Rates, Workshop, measure
    from metalsci.evaluation.promotion.significant import Significant

    try:
        settings = Significant(alpha=told.alpha, gain=told.gain, power=told.power)
        device = CpuDevice(ceilings=GivenCeilings())
    except ValueError as error:
        parser.error(str(error))
    workshop = Workshop(device)

    def show(rates: Rates) -> None:
        if rates.searches % 10 == 0 or rates.searches == told.searches:
            sys.stdout.write(
                f"\rload {rates.load}: {rates.searches} searches of {told.challengers} equal challengers, "
                f"{rates.false} with a promotion ({100 * rates.false / rates.searches:.1f} %, "
                f"at most {100 * rates.most_false:.1f} %); gains of {100 * told.gain:g} % found "
                f"{rates.found} of {rates.gains}; pairs: equal {rates.mean_pairs('equal'):.1f}, faster "
                f"{rates.mean_pairs('faster'):.1f}, 20 % slower {rates.mean_pairs('slower'):.1f}; "
                f"noise {100 * sorted(rates.noise)[len(rates.noise) // 2]:.1f} % a pair; {rates.seconds:.0f} s"
            )
            sys.stdout.flush()

    worse = False
    try:
        for load in told.load:
            rates = measure(
                workshop,
                settings,
                load=load,
                searches=told.searches,
                challengers=told.challengers,
                turns=told.turns,
                progress=show,
            )
            sys.stdout.write("\n")
            worse |= rates.false > told.alpha * rates.searches or rates.found < told.power * rates.gains
    finally:
        workshop.close()
        device.close()
    sys.exit(EXIT_FAILED if worse else 0)


if __name__ == "__main__":
    main()
