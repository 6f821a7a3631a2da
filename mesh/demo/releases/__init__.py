"""What is released to the boxes, and what it answers to known pictures."""
