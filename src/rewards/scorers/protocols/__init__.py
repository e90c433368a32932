"""Published protocols of benchmarks and reward models as scorers: what each one asks, sends, reads and computes.

A protocol is named with its version (`gedit@2025-05`); what is stated of it stands in `src/data/protocols.py`.
"""
