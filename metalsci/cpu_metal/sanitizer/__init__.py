"""The sanitizer: a kernel's faults while it runs, which a GPU would not report.

Compiling puts calls of the runtime (runtime/check*.c) into a kernel's LLVM text, in two steps: before functions are
inlined around the computations of the user's own lines (`value_checks.py`) and their comparisons (`comparisons.py`),
after it around every access to memory (`accesses.py`, guided by `body.py`). Each call carries the number of a `Site`, a
place in the user's source (`sites.py`). Running tells the runtime which memory each argument may reach
(`checked_commands.py`), and its records become sentences (`sentences.py`).
"""
