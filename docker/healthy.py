#!/usr/bin/env python3
"""Exit code 0 if HEALTH_URL answers with 200: what Docker and Kubernetes ask of a container.

On a node of Ray that is the agent's `/api/healthz`, which needs no token. It asks the raylet, and on the head the GCS
too; where the agent itself is dead nobody answers. `ray health-check` would ask the same, but imports Ray each time,
and knows only the GCS. A container that shows runs sets HEALTH_URL to its own page.
"""

import os
import sys
import urllib.request

LIMIT_S = 8

if __name__ == "__main__":
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy's 127.0.0.1 is not ours
    try:
        direct.open(os.environ["HEALTH_URL"], timeout=LIMIT_S).close()  # anything but success raises
    except OSError as error:
        sys.exit(f"{os.environ['HEALTH_URL']}: {error}")
