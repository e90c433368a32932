"""What docs/clusters.md names for clusters: manifest, scripts and image fit the commands, keys and files that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from main import app
from src.config import Config, load_config

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/clusters.md"
CONTAINERFILE = ROOT / "Containerfile"
USER = int(re.findall(r"useradd .*--uid (\d+)", (ROOT / "Containerfile").read_text(encoding="utf-8"))[0])
"""Of the image, and the number of its group."""
MANIFEST = yaml.safe_load((ROOT / "configs/cluster/rayjob.yaml").read_text(encoding="utf-8"))
SCRIPTS = sorted((ROOT / "configs/cluster").glob("*.sbatch"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENV", "FROM", "RUN", "USER", "WORKDIR"}
CONTROL = {"&&", "||", ";", "|", "--"}


def lines_of(text: str) -> list[str]:
    """The lines of a script without comments, those that go on joined."""
    return [line for line in re.sub(r"\\\n", " ", text).splitlines() if line and not line.lstrip().startswith("#")]


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each call of `editloop` in a script; shell variables stand for a number."""
    for line in lines_of(text):
        words = shlex.split(re.sub(r"\$\{?[A-Z_]+\}?", "3", line), comments=True)
        for place in (index for index, word in enumerate(words) if word == "editloop"):
            arguments = words[place + 1 :]
            if words[place - 1 : place] and words[place - 1] not in CONTROL:
                continue
            end = next((index for index, word in enumerate(arguments) if word in CONTROL), len(arguments))
            yield arguments[:end]


def parsed(arguments: list[str]) -> typer.Context:
    """What the command line reads from the arguments, without running anything."""
    if arguments[0].startswith("-"):
        arguments = ["evaluate", *arguments]
    group: Any = typer.main.get_command(app)
    command = group.commands[arguments[0]]
    context: typer.Context = command.make_context(arguments[0], arguments[1:])
    return context


def config_of(arguments: list[str]) -> Config:
    """The config of a run, read from the file that the command names."""
    given = parsed(arguments).params
    return load_config(ROOT / given["config"], given["assignments"])


def test_the_entrypoint_of_the_manifest_is_a_run_on_ray_with_a_worker_for_each_model() -> None:
    ((arguments),) = commands(MANIFEST["spec"]["entrypoint"])
    config = config_of(arguments)
    assert config.runtime.engine == "ray"
    (workers,) = MANIFEST["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert isinstance(config.runtime.ray.editors, int)
    assert config.runtime.ray.editors + (config.runtime.ray.judges or 0) == workers["replicas"]
    assert parsed(arguments).params["resume"], "a new cluster must go on"


def test_the_manifest_has_the_fields_of_a_rayjob_and_the_ray_of_the_image() -> None:
    """Field names: KubeRay's API reference for ray.io/v1."""
    assert (MANIFEST["apiVersion"], MANIFEST["kind"]) == ("ray.io/v1", "RayJob")
    spec = MANIFEST["spec"]
    assert set(spec) == {
        "entrypoint",
        "backoffLimit",
        "shutdownAfterJobFinishes",
        "ttlSecondsAfterFinished",
        "rayClusterSpec",
    }
    cluster = spec["rayClusterSpec"]
    assert PROJECT["optional-dependencies"]["ray"] == [f"ray=={cluster['rayVersion']}"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert pod["securityContext"] == {"fsGroup": USER}, "else the volumes cannot be written to"
        volumes = {volume["name"] for volume in pod["volumes"]}
        (container,) = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        assert all(isinstance(value, str) for value in group["rayStartParams"].values()), "KubeRay takes strings"


def test_what_the_head_alone_has_is_where_the_command_looks() -> None:
    ((arguments),) = commands(MANIFEST["spec"]["entrypoint"])
    cluster = MANIFEST["spec"]["rayClusterSpec"]
    mounts = [
        {mount["mountPath"] for mount in group["template"]["spec"]["containers"][0]["volumeMounts"]}
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    ]
    (alone,) = mounts[0] - mounts[1]
    assert config_of(arguments).benchmark.data_path.startswith(f"{alone}/")
    assert str(parsed(arguments).params["output_dir"]).startswith(f"{alone}/")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_bash_and_its_commands_can_be_read(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    found = list(commands(script.read_text(encoding="utf-8")))
    assert found
    for arguments in found:
        config_of(arguments)


def test_every_script_and_every_command_of_the_page_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {path.name for path in SCRIPTS} <= set(re.findall(r"\w+\.sbatch", text))
    for link in re.findall(r"\]\((?!https)([^)#]+)", text):
        assert (PAGE.parent / link).exists(), link
    for target in re.findall(r"`make ([a-z-]+)`", text):
        assert target in TARGETS
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    for arguments in (arguments for block in blocks for arguments in commands(block)):
        parsed(arguments)


def test_the_settings_of_the_page_are_those_that_a_run_reads() -> None:
    (block,) = re.findall(r"```yaml\n(runtime:.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    runtime = yaml.safe_load(block)["runtime"]
    sets = [f"runtime.{key}={value}" for key, value in runtime.items() if key != "ray"]
    sets += [f"runtime.ray.{key}={value}" for key, value in runtime["ray"].items()]
    config = load_config(ROOT / "config.yaml", sets)
    assert config.runtime.ray.judges == runtime["ray"]["judges"]
    named = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| `[a-z_`, ]+ \|", PAGE.read_text(), re.MULTILINE))))
    assert named >= set(type(config.runtime.ray).model_fields) | {"edit_timeout", "judge_timeout"}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the container file with their arguments."""
    pairs = [line.strip().partition(" ") for line in lines_of(CONTAINERFILE.read_text(encoding="utf-8"))]
    return [(name, rest.strip()) for name, _, rest in pairs]


def test_the_container_file_has_known_instructions_and_its_base_is_an_argument() -> None:
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS
    assert [name for name, _ in found[:2]] == ["ARG", "FROM"]
    assert found[1] == ("FROM", "${BASE}")


def test_all_that_the_image_copies_is_there_and_not_ignored() -> None:
    ignored = {line.rstrip("/") for line in lines_of((ROOT / ".dockerignore").read_text(encoding="utf-8"))}
    copies = [shlex.split(rest) for name, rest in instructions() if name == "COPY"]
    sources = [word for words in copies for word in words[:-1] if not word.startswith("--")]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source not in ignored
    for needed in ("src", "main.py", "prompts", "assets", "configs", "build_backend", "requirements.lock", "Makefile"):
        assert needed in sources


def test_what_the_image_runs_is_shell_with_targets_and_extras_that_exist() -> None:
    runs = [rest for name, rest in instructions() if name == "RUN"]
    for script in runs:
        subprocess.run(["sh", "-n", "-c", script], check=True)
    words = [shlex.split(script) for script in runs]
    targets = {line[index + 1] for line in words for index, word in enumerate(line) if word == "make" and index}
    assert targets - {"wget"} == {"setup"}
    extras = {extra for script in runs for extra in re.findall(r"'\.\[(\w+)\]'", script)}
    assert extras == {"ray"} <= set(PROJECT["optional-dependencies"])
    linked = {
        Path(word).name for script in runs for word in script.split() if word.startswith("/opt/editloop/.venv/bin/")
    }
    assert linked == {"editloop", "ray"}
    assert "editloop" in PROJECT["scripts"]


def test_the_image_has_what_kuberay_calls() -> None:
    """Its probes call wget, and `ray job submit` needs the dashboard of `ray[default]`."""
    text = " ".join(rest for name, rest in instructions() if name == "RUN")
    assert " wget " in text
    assert "'ray[default]'" in text
