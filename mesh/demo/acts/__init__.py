"""The four acts: what plays them, and what judges what was done."""
