"""An Apple GPU without a GPU: counts of the software device priced with published constants.

`gpu_facts` has each chip's constants with their sources, `model` the formulas (one page), `prediction` the result for a
whole program, and the condition for comparing two predictions. `virtual_device` is the Device of the search. All its
figures are called predicted.
"""
