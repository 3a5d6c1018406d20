"""The problem to solve: a task's physics, sizes, inputs, reference and tolerance."""
