"""Facts of the Metal language: kernels, signatures, types, attributes, constants."""
