"""Labels of people against the scores of a judge: agreement of order, recalibration, and means corrected by labels."""
