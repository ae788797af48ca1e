"""The SIM task and the dynamics of models that learn it."""

from lib.sim.error_curves import swing
from lib.sim.task import SIMTask, ood_loss, population_loss

__all__ = ["SIMTask", "ood_loss", "population_loss", "swing"]
