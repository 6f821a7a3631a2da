"""What developers run: tests, checks of the checks, and the training of the detector."""
