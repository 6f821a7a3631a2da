"""What nobody thought of: faults drawn by chance, and failures made small."""
