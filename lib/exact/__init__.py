"""Distributions whose scores are known in closed form, at every noise level."""

from lib.exact.cpc import CPC, composed
from lib.exact.flow import noise_levels, probability_flow
from lib.exact.mixture import GaussianMixture, independent
from lib.exact.patches import PatchMachine
from lib.exact.row import Row

__all__ = [
    "CPC",
    "GaussianMixture",
    "PatchMachine",
    "Row",
    "composed",
    "independent",
    "noise_levels",
    "probability_flow",
]
