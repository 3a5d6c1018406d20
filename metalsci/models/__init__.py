"""The models that propose kernels: the offline rewriter, and everything else that answers a prompt."""
