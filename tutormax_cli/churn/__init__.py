"""Who is about to leave, and what goes with it: a tutor × week panel in, scores and their reasons out."""
