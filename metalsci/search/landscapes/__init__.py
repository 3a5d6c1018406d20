"""Searches without a model or a device: landscapes on which strategies are compared in milliseconds."""
