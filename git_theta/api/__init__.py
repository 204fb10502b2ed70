"""The Python API: what ``import git_theta as gt`` gives, one idea a file. A thin face over ``repository/``."""

from git_theta import registry
from git_theta.vcs.config import disabled_plugins

registry.use_disabled(disabled_plugins)
