"""The first import of commands: until they can report it better, Ctrl-C ends them without a traceback.

The imports of a command take most of a second, and Python answers an interrupt in the middle with 25 lines.
"""

import signal
import sys
from pathlib import Path

# A program that imports a command's module for its functions keeps its own handler.
if Path(sys.argv[0]).stem == "metalsci" or Path(sys.argv[0]).parent.name == "metalsci":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
