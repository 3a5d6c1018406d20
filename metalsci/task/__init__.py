"""What is solved: a task's physics, sizes, inputs, reference and tolerance."""
