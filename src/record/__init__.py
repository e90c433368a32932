"""The durable record of an output directory: samples, edits, verdicts, and the frozen results read from it. No run."""
