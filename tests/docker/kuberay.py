"""What a RayJob of KubeRay 1.6 may say, as far as docker/rayjob.yaml could say it: an unknown field is refused.

Written after KubeRay's API reference (docs.ray.io, KubeRay CRD API reference). No package carries its schema, which is
1.3 MB, nearly all of it the pods that `kubernetes-validate` knows. A cluster checks all of it: `kubectl apply
--dry-run=server -f docker/rayjob.yaml`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Strings = dict[str, str]
Pod = dict[str, Any]


class AuthOptions(Strict):
    mode: Literal["disabled", "token"]
    secretName: str | None = None  # its key is `auth_token`


class AutoscalerOptions(Strict):
    resources: dict[str, Any] | None = None
    image: str | None = None
    imagePullPolicy: Literal["Always", "IfNotPresent", "Never"] | None = None
    securityContext: dict[str, Any] | None = None
    idleTimeoutSeconds: PositiveInt | None = None
    upscalingMode: Literal["Default", "Aggressive", "Conservative"] | None = None
    version: Literal["v1", "v2"] | None = None
    env: list[dict[str, Any]] = []


class HeadGroup(Strict):
    template: Pod
    rayStartParams: Strings = {}
    serviceType: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = None
    enableIngress: bool = False
    resources: Strings = {}
    labels: Strings = {}


class WorkerGroup(Strict):
    groupName: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    template: Pod
    rayStartParams: Strings = {}
    replicas: NonNegativeInt = 0
    minReplicas: NonNegativeInt = 0
    maxReplicas: PositiveInt = 2**31 - 1
    numOfHosts: PositiveInt = 1
    idleTimeoutSeconds: PositiveInt | None = None
    resources: Strings = {}
    labels: Strings = {}

    @model_validator(mode="after")
    def _in_order(self) -> "WorkerGroup":
        if not self.minReplicas <= self.replicas <= self.maxReplicas:
            raise ValueError(f"replicas {self.replicas} is not from {self.minReplicas} to {self.maxReplicas}")
        return self


class Cluster(Strict):
    headGroupSpec: HeadGroup
    workerGroupSpecs: list[WorkerGroup] = []
    rayVersion: str
    authOptions: AuthOptions | None = None
    autoscalerOptions: AutoscalerOptions | None = None
    enableInTreeAutoscaling: bool = False


class Job(Strict):
    entrypoint: str
    rayClusterSpec: Cluster
    submissionMode: Literal["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"] = "K8sJobMode"
    shutdownAfterJobFinishes: bool = False
    ttlSecondsAfterFinished: NonNegativeInt = 0
    activeDeadlineSeconds: PositiveInt | None = None
    backoffLimit: NonNegativeInt = 0
    entrypointNumCpus: float = 0
    runtimeEnvYAML: str | None = None
    suspend: bool = False


class RayJob(Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: dict[str, Any]
    spec: Job
