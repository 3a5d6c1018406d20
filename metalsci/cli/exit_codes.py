"""The exit codes of every command, so that a script can tell a refused command from a failed run."""

EXIT_FAILED = 1
EXIT_USAGE = 2  # nothing was started
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count
EXIT_TERMINATED = 143  # 128 + SIGTERM
