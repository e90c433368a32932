"""Label-free checks of a scorer: probes, verdicts, one table. Nothing that scores or edits by itself."""
