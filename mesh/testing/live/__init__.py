"""Real nodes in virtual time: for applications with tasks and handlers of their own."""
