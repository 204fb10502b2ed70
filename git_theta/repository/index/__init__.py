"""Files of the index, and what stands for them there."""
