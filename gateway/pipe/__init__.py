"""The filter for what a process writes to its standard output.

Lines in, lines or log records out, minimised by a destination's plan.

`lines.py` reads. `record.py` makes log records of lines: `fields.py` of JSON and pairs by `keys.py`, `layout.py` of
texts; what reads as a level, a time or an ID is said in `levels.py`, `times.py` and `ids.py`. `sieve.py` decides,
`render.py` makes lines of what is left, `printed.py` and `sent.py` let it go, `report.py` says the counts. The engine
that decides is elsewhere.
"""
