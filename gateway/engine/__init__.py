"""Minimising: bytes in, releases out.

Plans, facts and times are arguments; nothing here reads a file, a clock or the network.
"""
