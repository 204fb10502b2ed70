"""Soft merging of experts with adaptive routing: experts are branches, and what routers learned becomes one merge."""

from git_theta_smear.router_fitting import fit_router
from git_theta_smear.smear_model import SmearModel

__all__ = ["SmearModel", "fit_router"]
