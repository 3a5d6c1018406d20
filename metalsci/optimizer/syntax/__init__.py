"""What the rewrites know of a source: its tree, its variables, and what may safely be moved where."""
