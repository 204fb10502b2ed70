"""Tasks on other machines: what travels there, what does it there, and what sends it."""
