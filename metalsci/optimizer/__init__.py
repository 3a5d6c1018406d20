"""The offline rewriter: source transformations that keep a kernel's meaning, and the program that combines them."""
