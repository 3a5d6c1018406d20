"""The facts that rewrites need of a source: its tree, its variables, and which expressions may safely be moved."""
