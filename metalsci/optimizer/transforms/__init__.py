"""The rewrites, a family a module."""
