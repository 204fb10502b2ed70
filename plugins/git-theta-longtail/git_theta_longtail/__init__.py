"""Questions by how many documents of a training corpus tell their answers, for `git theta eval`."""
