"""LLVM modules as text, and the passes that rewrite them."""
