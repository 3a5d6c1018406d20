"""When a challenger becomes the incumbent of a search: the decision, and the rules that make it."""
