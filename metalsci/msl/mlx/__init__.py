"""The road from a Metal kernel to `mx.fast.metal_kernel`: lowering, and export as Python."""
