"""What a model is told: the prompt and its parts."""
