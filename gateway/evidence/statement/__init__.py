"""Kannelle's privacy statement as a table: each sentence, the rules that keep it, and the result of checking them now.

A promise names rules (`promises.py`), each check belongs to one of them (`checklist.py`), and the table is their
results under one policy and its contracts (`table.py`). What is expected is written down here once more, in the
statement's words: nothing is taken from the tables that the gateway decides by.
"""
