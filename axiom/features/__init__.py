"""Point-in-time features and labels: declared once, computed bucket by bucket with no shuffle."""
