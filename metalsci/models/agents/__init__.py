"""A coding agent as the model: a workspace, tools over a socket, a watch over the process, what it hands in."""
