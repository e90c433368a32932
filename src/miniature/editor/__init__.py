"""The miniature editor: its architecture, its training and its measurement.

Scenes and exact edits come from `miniature/world`; the editor runs as any editor of `models/diffusion`.
"""
