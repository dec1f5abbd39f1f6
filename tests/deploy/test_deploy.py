"""What is deployed: each file passes its own validator, and asks for no more rights than it needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mediascrape.settings import Settings
from mediascrape.variables import describe_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(
    path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml"
)
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SCRIPTS = Path(sysconfig.get_path("scripts"))


def validator(name: str) -> str:
    """A program from a development dependency or the system."""
    found = shutil.which(name, path=str(SCRIPTS)) or shutil.which(name)
    if found is None:
        assert not os.environ.get("CI"), f"{name} is missing"
        pytest.skip(f"{name} is not made for this machine")
    return found


def documents() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text())


def test_the_image_s_recipe_is_clean_and_its_user_is_not_root() -> None:
    recipe = DEPLOY / "Containerfile"
    said = subprocess.run([validator("hadolint"), recipe], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    assert re.findall(r"^USER (.+)$", recipe.read_text(), re.MULTILINE) == ["10001:10001"]


def test_the_image_gets_what_it_is_built_from_and_nothing_else() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    allowed = re.findall(r"^!(.+)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.MULTILINE)
    assert sorted(" ".join(copied).split()) == sorted(allowed)
    assert all((ROOT / name).exists() for name in allowed)


def test_the_compose_file_is_one() -> None:
    compose_spec = pytest.importorskip("compose_spec")
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    compose_spec.PyCompose.from_json(json.dumps(content)).validate()
    services = content["services"]
    needed = {other for service in services.values() for other in service.get("depends_on", ())}
    assert needed == {"valkey", "postgresql"}
    assert set(services) == {"api", "worker", "valkey", "postgresql"}
    for name in ("api", "worker"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert all("mem_limit" in service for service in services.values())
    assert services["api"]["ports"] == ["127.0.0.1:8000:8000"], "what is in front speaks TLS"
    assert "noeviction" in services["valkey"]["command"]
    assert all("max-size" in service["logging"]["options"] for service in services.values())
    grace = int(services["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.load().shutdown_grace_s


@pytest.mark.parametrize("document", [*documents()], ids=lambda d: f"{d['kind']}-{d['metadata']['name']}")
def test_kubernetes_knows_the_manifest(document: dict[str, Any]) -> None:
    import kubernetes_validate

    kubernetes_validate.validate(document, "1.31", strict=True)


def test_pods_have_few_rights_and_limits_and_a_disruption_budget() -> None:
    deployments = {d["metadata"]["name"]: d["spec"] for d in documents() if d["kind"] == "Deployment"}
    budgets = {d["metadata"]["name"] for d in documents() if d["kind"] == "PodDisruptionBudget"}
    assert set(deployments) == budgets == {"api", "worker"}
    for spec in deployments.values():
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"memory"} <= set(container["resources"]["limits"])
    assert {"livenessProbe", "readinessProbe"} <= set(deployments["api"]["template"]["spec"]["containers"][0])
    grace = deployments["worker"]["template"]["spec"]["terminationGracePeriodSeconds"]
    environment = deployments["worker"]["template"]["spec"]["containers"][0]["env"]
    assert grace > max(float(v["value"]) for v in environment if v["name"] == "MEDIASCRAPE_SHUTDOWN_GRACE_S")


def test_pictures_made_smaller_find_room() -> None:
    """Kubernetes evicts a pod that takes more than its volume's limit; in the compose file they are memory."""
    (api,) = (d for d in documents() if d["kind"] == "Deployment" and d["metadata"]["name"] == "api")
    (volume,) = (v for v in api["spec"]["template"]["spec"]["volumes"] if v["name"] == "data")
    room = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi")) * 2**20
    assert room > Settings.load().thumbnail_cache_bytes
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    kept = services["api"]["environment"]["MEDIASCRAPE_THUMBNAIL_CACHE_BYTES"]
    assert kept < int(services["api"]["mem_limit"].removesuffix("m")) * 2**20 / 4


def test_rollouts_start_before_they_stop_and_spread_over_machines() -> None:
    for deployment in (d["spec"] for d in documents() if d["kind"] == "Deployment"):
        assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        (spread,) = deployment["template"]["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"] == deployment["selector"]


def test_what_is_scaled_by_itself_has_no_number_of_its_own() -> None:
    """Each `kubectl apply` would set it back."""
    deployments = {d["metadata"]["name"]: d["spec"] for d in documents() if d["kind"] == "Deployment"}
    scaled = [d["spec"] for d in documents() if d["kind"] == "HorizontalPodAutoscaler"]
    assert [spec["scaleTargetRef"]["name"] for spec in scaled] == ["worker"]
    assert ["replicas" in spec for spec in deployments.values()] == [True, False]
    (container,) = deployments["worker"]["template"]["spec"]["containers"]
    assert "cpu" in container["resources"]["requests"], "of which it is a share"


def test_no_pod_that_fetches_reaches_private_addresses() -> None:
    policies = [d["spec"] for d in documents() if d["kind"] == "NetworkPolicy"]
    (egress,) = (spec for spec in policies if "Egress" in spec["policyTypes"])
    chosen = egress["podSelector"]["matchLabels"].items()
    for deployment in (d["spec"] for d in documents() if d["kind"] == "Deployment"):
        assert chosen <= deployment["template"]["metadata"]["labels"].items()
    kept = {
        net
        for rule in egress["egress"]
        for to in rule.get("to", ())
        for net in to.get("ipBlock", {}).get("except", ())
    }
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} <= kept


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_knows_the_unit_and_trusts_it(unit: Path, tmp_path: Path) -> None:
    analyze = validator("systemd-analyze")
    copy = tmp_path / unit.name
    installed = str(SCRIPTS / "mediascrape")
    copy.write_text(unit.read_text().replace("/opt/mediascrape/bin/mediascrape", installed))
    said = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    if "@" not in unit.name:
        done = subprocess.run([analyze, "security", "--offline=true", "--threshold=25", copy],
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout


def test_only_settings_that_exist_are_set() -> None:
    known = {setting.env for setting in describe_settings()}
    named = {
        name
        for path in DEPLOY.rglob("*")
        if path.is_file()
        for name in re.findall(r"\b(?:MEDIASCRAPE_[A-Z_]+|REDIS_[A-Z_]+|DATABASE_URL)\b", path.read_text())
    }
    assert named <= known
    assert named
