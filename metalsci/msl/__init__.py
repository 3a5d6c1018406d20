"""A Metal kernel as text: signatures, the rules that Metal enforces on them, diagnostics, lowering to MLX.

Knows nothing of tasks, models or search; it can be lifted out as a library.
"""
