"""The SIM task and the dynamics of models that learn it."""

from lib.sim.curves import swing
from lib.sim.task import SIMTask, ood_loss, population_loss

__all__ = ["SIMTask", "ood_loss", "population_loss", "swing"]
