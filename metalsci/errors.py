"""The one error that the command line itself raises; kept apart so that `--help` need import nothing more."""


class JobError(Exception):
    """A job ended without a result and has said why."""
