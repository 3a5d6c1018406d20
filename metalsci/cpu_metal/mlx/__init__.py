"""A stand-in for `mx.fast.metal_kernel` on the software device."""
