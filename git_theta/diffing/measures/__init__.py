"""Further numbers of a change, which a person asks for by name: the seam, and those that ship with us."""
