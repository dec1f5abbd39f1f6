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
