"""The prompts that a policy gets, and how its completions are read: one task in each file.

Models, records and trainers have no place here.
"""
