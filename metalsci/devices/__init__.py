"""The devices that run kernels: one protocol, the software device behind it, and the ceilings that scores refer to."""
