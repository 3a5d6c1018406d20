"""A declarative framework for experiments in which a language model searches for faster Metal kernels."""
