"""Who follows a run: the console, Weights & Biases."""
