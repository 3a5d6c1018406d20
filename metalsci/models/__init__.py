"""Who proposes kernels: the offline rewriter, and whatever else answers a prompt."""
