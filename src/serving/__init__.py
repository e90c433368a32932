"""An editor behind HTTP."""
