"""Editors: the base class and what they share; one class a file in `implementations`."""
