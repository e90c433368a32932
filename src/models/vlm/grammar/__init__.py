"""The score grammar: it reads numbers from the words of a reply, or raises `UnparsableReply`.

Models have no place here.
"""
