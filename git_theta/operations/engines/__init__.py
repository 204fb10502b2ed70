"""Where tasks are done: on the cores of this machine, or elsewhere."""
