"""Declared types: each has a JSON Schema, a way in (decode) and a way out (encode).

They must not know functions, decorators or the protocol's messages.
"""
