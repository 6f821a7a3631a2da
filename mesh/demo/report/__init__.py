"""What a person sees of a run: lines while it happens, a summary, and a page."""
