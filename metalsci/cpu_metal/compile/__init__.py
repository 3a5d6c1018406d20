"""From Metal source to a shared object: Clang, LLVM passes, the cache of compiled kernels."""
