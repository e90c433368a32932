"""Local HTTP servers: `serve-editor` puts an editor behind one, and `label/` shows edits to people.

An editor's own work lives in `models/diffusion`, and the clients of a served editor do as well.
"""
