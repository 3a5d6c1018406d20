"""Followers of a run: the console, Weights & Biases."""
