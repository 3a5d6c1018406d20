"""The sanitizer: what a kernel does wrong while it runs, found without a GPU's silence.

Compiling puts calls of the runtime (runtime/check*.c) into a kernel's LLVM text, in two steps: before functions are
inlined around what the user's own lines compute (`values.py`), after it around every access to memory (`accesses.py`,
by what `body.py` sees). Each call carries the number of a `Site`, a place in the user's source (`sites.py`). Running
tells the runtime which memory each argument may reach (`commands.py`), and what it found becomes sentences
(`sentences.py`).
"""
