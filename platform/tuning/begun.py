"""What trials stand on when they begin, and what watches over them."""

import time
from dataclasses import dataclass

from rich.console import Console

from platform.memory.coordinator import Servers
from platform.results.incidents import Journal
from platform.results.progress import Running
from platform.tuning.cluster.nodes import nodes_for_work
from platform.tuning.cluster.resources import TrialResources
from platform.tuning.cluster.roster import Roster
from platform.tuning.trials.trial import TrialPlan
from platform.tuning.trials.usage import Usage, WindDown


@dataclass(frozen=True)
class Begun:
    """What `stage` gives to those that run trials."""

    plan: TrialPlan
    resources: TrialResources
    journal: Journal
    usage: Usage
    wind_down: WindDown
    roster: Roster
    servers: Servers | None = None

    @classmethod
    def plainly(cls, plan: TrialPlan, resources: TrialResources, console: Console) -> "Begun":
        """For trials without memory servers, and without a past."""
        config, journal = plan.target.config, Journal(plan.folder.incidents, console)
        usage = Usage(Running(), time.monotonic(), server_gpus=0.0)
        wind_down = WindDown(config.search.budget, usage, plan.folder.winding_down, journal)
        wanted = config.resources.model_copy(update={"trials_at_once": resources.at_once})
        there = [node["NodeID"] for node in nodes_for_work()]
        return cls(plan, resources, journal, usage, wind_down, Roster(wanted, resources, journal, checked=there))
