"""Why a trial failed, in one line, out of what Ray and Tune keep of it."""

import re

# How Python ends a traceback: "platform.training.run.TrainingDiverged: the loss became nan", "AssertionError". A name
# without a module must sound like an exception: Ray's own texts have lines such as "ip: 192.0.2.2".
_RAISED = re.compile(
    r"""^(?P<name> (?:[A-Za-z_]\w*\.)+ (?:<locals>\.)? [A-Z]\w*  |  [A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning) )
        (?: :\s(?P<message>.+) )?$""",
    re.VERBOSE,
)
# Of a process that ended without a word. Tune keeps only the texts of these (Ray 2.60: "The actor died unexpectedly
# before finishing this task. ... The actor is dead because its worker process has died."), not their names.
_DIED = re.compile(
    r"actor died unexpectedly|actor is temporarily unavailable|worker died|worker process has died|node has died"
    r"|node running low on memory"
    r"|ray\.exceptions\.(?:(?:Actor(?:Died|Unavailable)|RayActor|WorkerCrashed|NodeDied|OutOfMemory)Error)",
)
DIED = "its process died (killed, out of memory, or its node was lost)"


def failure_reason(traceback: str) -> str:
    """What the trial itself raised, in one line, out of the traceback that Ray wrapped it in.

    Or that its process died, which leaves nothing behind but Ray's guesses.
    """
    lines = [line.strip() for line in traceback.splitlines() if line.strip()]
    raised = [match for line in lines if (match := _RAISED.match(line))]
    if raised and not _DIED.match(raised[-1]["name"]):
        return raised[-1]["message"] or raised[-1]["name"]
    if _DIED.search(traceback):
        return DIED
    return (lines or ["no reason was recorded"])[-1]
