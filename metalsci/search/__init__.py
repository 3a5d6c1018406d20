"""The search: ask the strategy, prompt the model, judge the answer, write the journal, tell the strategy.

It knows models, tasks and devices only as the small protocols that it is given, and never holds a held-out size.
"""
