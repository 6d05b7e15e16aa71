"""The gateways that ours is measured beside, each in an environment of its own under .tools: python -m benchmarks.peers"""

from __future__ import annotations

import shlex
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.provenance import ROOT, version_of

PACKAGE, VERSION = "vllm-router", "0.1.17"
FOLDER = ROOT / ".tools" / PACKAGE
FLAGS = "--worker-urls {upstream} --port {port} --prometheus-port {free}"

LITELLM, LITELLM_VERSION = "litellm", "1.105.0"
LITELLM_FOLDER = ROOT / ".tools" / LITELLM
LITELLM_CONFIG = """\
model_list:
  - model_name: mock
    litellm_params: {{model: openai/mock, api_base: "{upstream}/v1", api_key: none}}
litellm_settings:
  telemetry: false
  cache: true
  cache_params: {{type: local}}
"""
LITELLM_ENVIRON = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # no keys are checked, as ours checks none here
}


def install(folder: Path, package: str, version: str, extra: str = "") -> None:
    """A peer from the package index, unless it is there. Raises CalledProcessError."""
    python = folder / "bin/python"
    if python.exists() and version_of(package, str(python)) == version:
        return
    venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{package}{extra}=={version}"], check=True)


def commands(folder: Path = FOLDER) -> list[str]:
    """NAME=COMMAND of each installed peer.

    As it comes (policy cache_aware), vllm-router first sends each prompt to the engine's /v1/chat/completions/render,
    two requests for one; with round_robin it only forwards, as ours does. Both are measured; round_robin is the bar.
    """
    router = folder / "bin" / PACKAGE
    if not router.exists():
        return []
    command = f"{shlex.quote(str(router))} {FLAGS}"
    return [f"{PACKAGE} round_robin={command} --policy round_robin", f"{PACKAGE} cache_aware={command}"]


def litellm(upstream: str, config: Path, folder: Path = LITELLM_FOLDER) -> str | None:
    """The command of LiteLLM's proxy with its cache in memory, one worker; None where it is not installed. Writes `config`."""
    program = folder / "bin" / LITELLM
    if not program.exists():
        return None
    config.write_text(LITELLM_CONFIG.format(upstream=upstream))
    return f"{shlex.quote(str(program))} --config {shlex.quote(str(config))} --host 127.0.0.1 --port {{port}} --num_workers 1"


if __name__ == "__main__":
    try:
        if "--cache" in sys.argv[1:]:
            install(LITELLM_FOLDER, LITELLM, LITELLM_VERSION, "[proxy]")
        else:
            install(FOLDER, PACKAGE, VERSION)
    except subprocess.CalledProcessError as error:
        sys.exit(f"a peer could not be installed: {error}; without it, ours is measured alone")
    print("\n".join(commands()))
