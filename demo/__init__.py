"""`make demo`: the main job on a real model, with sizes and times, in a folder to go on playing in."""
