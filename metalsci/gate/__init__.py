"""The part that the search never sees: held-out evaluation and the verdict."""
