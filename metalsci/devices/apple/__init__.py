"""Apple GPUs through MLX, in a process of their own."""
