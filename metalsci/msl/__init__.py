"""A Metal kernel as text: signatures, the rules that Metal enforces on them, diagnostics, lowering to MLX.

It knows nothing of tasks, models or search, and can be installed alone as a library.
"""
