"""The rewrites, one family in each module."""
