"""An Apple GPU without a GPU: counts of the software device priced with published constants.

`gpu_facts` has each chip's constants with their sources, `model` the formulas, a page of them, `prediction` what comes
out for a whole program, and when two predictions may be compared. `virtual_device` is the Device of the search. What it
says is always called predicted.
"""
