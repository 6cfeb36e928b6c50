"""Training: labelled snapshots -> temporal splits -> fit, calibrate, judge, explain."""
