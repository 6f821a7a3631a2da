"""The conductor's stand: rollouts that boxes apply themselves.

An authority signs an intent, it travels as a fact, and every box decides alone: what is open in its
view, what it runs, what it reports. See docs/rollouts.md.
"""
