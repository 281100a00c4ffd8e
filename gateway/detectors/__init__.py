"""What finds personal data in values, however it is spelt: `detect.py` asks all the others.

What follows is for the rules to say.
"""
