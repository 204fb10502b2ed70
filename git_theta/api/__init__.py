"""The Python API: what ``import git_theta as gt`` gives, one idea a file. A thin face over ``repository/``."""
