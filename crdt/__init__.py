"""What peers agree on: signed entries, their fold, and how replicas exchange them; floor 1."""
