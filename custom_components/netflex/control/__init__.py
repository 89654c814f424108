"""The decision: what every asset shall do, from what is known at one moment.

A pure layer: no input or output, no clock, no tasks. `decide.decide` is its face;
the same input gives the same plan.
"""
