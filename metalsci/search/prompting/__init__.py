"""The prompt of a model, and its parts."""
