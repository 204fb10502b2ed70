"""Objects to and from Git LFS hosts: git-lfs moves them, and a small client of ours asks what is there."""
