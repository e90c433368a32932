"""One run: plan, stages (read, edit, store, judge), record, resume. No protocol of scoring."""
