"""Rules that a candidate must follow: Metal's own, the host's interface, and the policy for hostile sources."""
