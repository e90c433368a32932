"""The miniature world: procedural 64x64 scenes, exact edits of them, and the recipes that train tiny models on both."""
