"""The files of docker/ agree with their published schemas and with pyproject.toml, and open no port and hold no token.

None of this needs Docker. `bash tests/docker/try_image.sh` builds the image and runs a search in it.
"""

import functools
import http.server
import importlib.metadata
import importlib.resources
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start

from platform.config.load import load_run
from tests.docker.kuberay import RayJob

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE = ("compose.yaml", "compose.gpu.yaml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
KUBERNETES = "1.34"  # of its schemas
SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|CREDENTIAL|ACCESS_KEY", re.IGNORECASE)


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DOCKER / name).read_text()))


@functools.cache
def services() -> dict[str, Any]:
    return dict(documents("compose.yaml")[0]["services"])


@functools.cache
def job() -> RayJob:
    return RayJob.model_validate(documents("rayjob.yaml")[-1])


def pods() -> list[dict[str, Any]]:
    cluster = job().spec.rayClusterSpec
    return [cluster.headGroupSpec.template, *(group.template for group in cluster.workerGroupSpecs)]


def containers() -> list[dict[str, Any]]:
    return [container for pod in pods() for container in pod["spec"]["containers"]]


def pinned(package: str) -> str:
    found = re.search(rf"^{re.escape(package)}==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found, f"constraints.txt does not pin {package}"
    return found[1]


def test_dockerfile_passes_hadolint() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    told = subprocess.run([linter, "--no-color", DOCKER / "Dockerfile"], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, "")


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_files_follow_the_compose_specification(name: str) -> None:
    vendored = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(documents(name)[0], json.loads(vendored.read_text()))


def test_launcher_takes_its_file() -> None:
    prepared = prepare_config(documents("ray-cluster.yaml")[0])
    validate_config(prepared)
    assert prepared["max_workers"] == len(prepared["provider"]["worker_ips"])


def test_kubernetes_takes_volumes_and_pods_and_kuberay_the_job() -> None:
    *claims, _ = documents("rayjob.yaml")
    alone = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **pod} for pod in pods()]
    for document in (*claims, *alone):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    used = {each["persistentVolumeClaim"]["claimName"] for pod in pods() for each in pod["spec"]["volumes"][:2]}
    assert used == {claim["metadata"]["name"] for claim in claims}


def test_a_field_that_kuberay_does_not_know_is_refused() -> None:
    changed = documents("rayjob.yaml")[-1]
    changed["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplica"] = 8
    with pytest.raises(ValueError, match="maxReplica"):
        RayJob.model_validate(changed)


def test_ray_knows_every_option_that_the_containers_start_it_with() -> None:
    launcher = documents("ray-cluster.yaml")[0]
    lines = [services()[name]["command"] for name in ("head", "worker")]
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        lines.append(shlex.split(launcher[key][-1].partition("&& ")[2]))
    for program, verb, *options in lines:
        assert (program, verb) == ("ray", "start")
        start.make_context("start", options)
    cluster = job().spec.rayClusterSpec
    for params in (cluster.headGroupSpec.rayStartParams, cluster.workerGroupSpecs[0].rayStartParams):
        start.make_context("start", [f"--{name}={value}" for name, value in params.items()])


def test_the_job_searches_what_is_shipped() -> None:
    words = shlex.split(job().spec.entrypoint)
    assert words[:3] == ["python", "-m", "platform.search"]
    load_run(words[3], profile="full", overrides=[words[words.index("--set") + 1]])


def test_versions_agree_with_the_project_and_its_constraints() -> None:
    version = PROJECT["version"]
    assert f'org.opencontainers.image.version="{version}"' in DOCKERFILE
    tags = [services()[name]["image"] for name in services()]
    tags += [documents("ray-cluster.yaml")[0]["docker"]["image"], *(each["image"] for each in containers())]
    assert all(f"transferable-memory:{version}-" in tag for tag in tags)
    assert job().spec.rayClusterSpec.rayVersion == pinned("ray")
    base = re.search(r"^ARG BASE=(\S+/python:(3\.11)\.\d+-slim-bookworm)$", DOCKERFILE, re.MULTILINE)
    assert base, "the base is no exact version of the Python that constraints.txt was made with"
    assert f"Python {base[2]} " in (ROOT / "constraints.txt").read_text()
    assert f'org.opencontainers.image.base.name="{base[1]}"' in DOCKERFILE


def test_every_install_is_constrained() -> None:
    installs = re.findall(r"pip install(?:[^\n]*\\\n)*[^\n]*", DOCKERFILE)
    assert len(installs) == 4
    assert all("--constraint" in line or "--no-deps /opt/tmu/*.whl" in line for line in installs)
    extras = re.search(r"for e in (\(.*?\)) for", DOCKERFILE)
    assert extras
    assert {"tools", "postgres"} == set(re.findall(r"'(\w+)'", extras[1])) <= PROJECT["optional-dependencies"].keys()


def test_nothing_is_published_beyond_this_machine() -> None:
    for name in COMPOSE:
        for service in documents(name)[0]["services"].values():
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
            assert not {"network_mode", "privileged", "pid", "ipc"} & service.keys()
    head = job().spec.rayClusterSpec.headGroupSpec
    assert (head.serviceType, head.enableIngress) == ("ClusterIP", False)
    assert "--dashboard-host=127.0.0.1" in documents("ray-cluster.yaml")[0]["head_start_ray_commands"][-1]


def test_what_shows_runs_is_reached_through_its_published_port() -> None:
    """It would otherwise answer the container's own loopback alone."""
    for name in ("dashboard", "tensorboard", "optuna"):
        service = services()[name]
        command = " ".join(service["command"])
        (port,) = (published.rsplit(":", 1)[1] for published in service["ports"])
        assert re.search(rf"0\.0\.0\.0 (--port )?{port}$", command)
        assert f"127.0.0.1:{port}/" in service["environment"]["HEALTH_URL"]


def test_ray_asks_for_a_token_that_no_file_holds() -> None:
    assert "RAY_AUTH_MODE=token" in DOCKERFILE
    for name in ("head", "worker"):
        assert services()[name]["secrets"] == ["ray_token"]
        assert services()[name]["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    launcher = documents("ray-cluster.yaml")[0]
    assert launcher["file_mounts"] == {"/home/tmu/.ray/auth_token": "~/.ray/auth_token"}
    auth = job().spec.rayClusterSpec.authOptions
    assert auth
    assert (auth.mode, auth.secretName) == ("token", "ray-token")
    assert not any(document["kind"] == "Secret" for document in documents("rayjob.yaml"))


def test_no_variable_of_a_container_holds_a_secret() -> None:
    given = dict(re.findall(r"^\s*(?:ENV |ARG )?(\w+)=(\S*)", DOCKERFILE, re.MULTILINE))
    for service in services().values():
        given |= {name: value or "" for name, value in service["environment"].items()}
    for container in containers():
        given |= {each["name"]: each.get("value", "") for each in container.get("env", [])}
    assert "RAY_AUTH_TOKEN_PATH" in given
    assert "AWS_SECRET_ACCESS_KEY" in given  # passed on from outside, without a value
    held = {name for name, value in given.items() if SECRET.search(name) and value}
    assert held == {"RAY_AUTH_TOKEN_PATH"}
    options = " ".join(documents("ray-cluster.yaml")[0]["docker"]["run_options"])
    assert not SECRET.search(options)


def test_containers_run_as_a_user_who_may_do_little() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["${UID}"]
    for service in services().values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    for pod in pods():
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
    for container in containers():
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_image_is_given_only_what_it_needs() -> None:
    first, *names = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*"
    assert all((ROOT / name[1:]).exists() for name in names if name.startswith("!"))
    shipped = {name[1:] for name in names if name.startswith("!")}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "constraints.txt"}
    assert shipped == {*needed, "docker/healthy.py"}


@pytest.fixture
def page() -> Iterator[http.server.HTTPServer]:
    """Answers with the status that its path names."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path.strip("/")))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def is_healthy(url: str) -> bool:
    proxy = {"http_proxy": "http://127.0.0.1:9"}  # where nobody listens: it must not be asked
    asked = subprocess.run(
        [sys.executable, DOCKER / "healthy.py"], env={**os.environ, **proxy, "HEALTH_URL": url}, capture_output=True
    )
    return asked.returncode == 0


def test_a_container_is_healthy_only_while_its_page_says_so(page: http.server.HTTPServer) -> None:
    at = f"http://127.0.0.1:{page.server_port}"
    assert is_healthy(f"{at}/200")
    assert not is_healthy(f"{at}/503")
    page.server_close()
    assert not is_healthy("http://127.0.0.1:9/")


def test_the_health_page_is_one_that_ray_gives_without_a_token() -> None:
    from ray.dashboard.http_server_agent import PUBLIC_EXACT_PATHS

    assert "HEALTH_URL=http://127.0.0.1:52365/api/healthz" in DOCKERFILE
    assert "/api/healthz" in PUBLIC_EXACT_PATHS
    assert importlib.metadata.version("ray") == pinned("ray")
    default = next(option.default for option in start.params if option.name == "dashboard_agent_listen_port")
    assert default == 52365
