"""How a candidate is judged: compiled, compared with the reference, timed, and paired with another."""
