"""The filter for what a process writes to its standard output.

Lines in, lines or log records out, minimised by a destination's plan.

`line_reader.py` reads. `parse.py` makes log records of lines: `fields.py` of JSON and pairs by `keys.py`, `layout.py`
of texts; `levels.py`, `times.py` and `ids.py` read levels, times and IDs. `filter.py` decides by the pipeline,
`render.py` makes lines of what is left, `stdout_sink.py` and `otlp_sink.py` send it on, `report.py` prints the counts.
"""
