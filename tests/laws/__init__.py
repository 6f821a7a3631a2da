"""Laws: what must hold of every set of records, checked against an independent oracle."""
