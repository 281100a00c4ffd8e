"""Calls between services, minimised both ways.

Which call goes where is the policy's method table; what leaves is decided in `gateway/pipeline/`.
"""
