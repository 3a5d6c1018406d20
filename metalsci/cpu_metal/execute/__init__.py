"""Execution of compiled kernels: buffers, command buffers, and the isolated device process."""
