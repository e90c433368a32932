"""Models in processes of a Ray cluster: the connection, pools of actors, and what runs in them.

Ray is imported where it is used: without `runtime.engine: ray` it need not be installed.
"""
