"""Labels of people beside the scores of a judge: agreement, recalibration, and means corrected by labels.

Asking people is the business of `serving/label`.
"""
