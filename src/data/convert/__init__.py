"""From public formats to ours, row by row. Reading our own formats is the loader's, one floor up."""
