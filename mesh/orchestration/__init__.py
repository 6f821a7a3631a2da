"""The conductor's stand: rollouts that boxes apply themselves.

An authority signs an intent, it travels as a fact, and every box decides alone: what is open in its
view, what it runs, what it reports. What it runs it fetches from its neighbours, chunk by chunk
(`blobs`, and the `blob_*` modules it is made of). See docs/rollouts.md.
"""
