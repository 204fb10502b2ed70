"""The Python API: what ``import git_theta as gt`` gives, one idea a file. A thin face over ``repository/``."""

from git_theta import registered_names
from git_theta.api.pickling import allow_pickling
from git_theta.vcs.config import disabled_plugins

registered_names.use_disabled(disabled_plugins)
allow_pickling()
