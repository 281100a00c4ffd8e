"""The filter for what a process writes to its standard output: lines in, lines or log records out, minimised by a destination's plan.

`lines.py` reads, `record.py` makes log records of lines, `sieve.py` decides, `render.py` makes lines of what is left, `printed.py` and
`sent.py` let it go. The engine that decides is elsewhere.
"""
