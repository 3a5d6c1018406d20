"""LLVM's text: reading it, writing it, and the passes over it.

text: operands of an instruction, types in front of them. types: first-class types. instruction: one instruction, taken
apart. function: modules, functions and blocks, and which instruction uses which. debug_locations: lines of the user's
file. division, conversions: passes over a module that make two operations mean the same on every path. group_atomics:
atomic operations that need no lock.
"""
