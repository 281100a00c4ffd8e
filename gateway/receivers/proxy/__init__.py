"""Calls between services, minimised both ways.

Which call goes where is the policy's table; what leaves is decided in `minimise`.
"""
