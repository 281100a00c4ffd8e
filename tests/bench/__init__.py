"""`make bench`: ratios between things measured in turn, in one run, by CPU time.

No test: the machine decides the figures.
"""
