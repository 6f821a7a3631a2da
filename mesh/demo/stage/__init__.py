"""The processes of a run, the files they start from, and the machine they run on."""
