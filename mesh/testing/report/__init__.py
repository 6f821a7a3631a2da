"""What people see of a run: a page, its figures, and a mind at a moment."""
