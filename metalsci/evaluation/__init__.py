"""The judging of a candidate: it is compiled, compared with the reference, timed, and paired with another."""
