"""A model's config.json and tensors: from a folder, from the hub's cache, or from the hub by range requests of the headers.

No weights are downloaded: huggingface_hub's `get_safetensors_metadata` reads the first bytes of each file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from server.engine import checkpoint, hub, resolve
from server.engine.planner import headers
from server.engine.planner.headers import Tensor
from server.engine.planner.shape import Shape, shape
from server.errors import ModelNotFound, StartError


def read(path: str, revision: str | None = None, *, mtp: bool = False) -> Shape:
    """The shape of the model at `path`, a folder or a hub id. Raises ModelNotFound, ModelGated, StartError."""
    if folder := resolve.local(path):
        return of_folder(folder, mtp=mtp)
    if folder := cached(path, revision):
        return of_folder(folder, mtp=mtp)
    config, tensors = of_hub(path, revision)
    return shape(config, tensors, mtp=mtp)


def of_folder(folder: Path, *, mtp: bool = False) -> Shape:
    """The shape of the model in `folder`. Raises ModelNotFound, StartError."""
    if folder.is_file():
        raise ModelNotFound(f"{folder} is a file, not a model: give the folder that holds config.json and *.safetensors")
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelNotFound(f"{folder} is a LoRA adapter, not a model: plan its base model, with the adapter under `adapters:`")
        raise ModelNotFound(f"{folder} is not a model: it has no config.json; give the folder that holds config.json and *.safetensors")
    config = checkpoint.read_json(folder / "config.json")
    method, bits = ("", 0) if checkpoint.quantized(config)[0] else checkpoint.quantized_beside(folder)
    if method:
        config["quantization_config"] = {"quant_method": method, "bits": bits}
    return shape(config, headers.read(folder), mtp=mtp)


def cached(model_id: str, revision: str | None) -> Path | None:
    """The folder of a whole model in the hub's cache, None where there is none. Nothing is asked over the network."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("model.safetensors", "model.safetensors.index.json"):
        found = try_to_load_from_cache(model_id, name, revision=revision)
        config = try_to_load_from_cache(model_id, "config.json", revision=revision)
        if isinstance(found, str) and isinstance(config, str):
            folder = Path(config).parent
            try:
                headers.read(folder)
            except StartError:  # some of its files are not here
                return None
            return folder
    return None


def of_hub(model_id: str, revision: str | None) -> tuple[dict[str, Any], list[Tensor]]:
    """config.json and the tensors of a repository. Raises ModelNotFound, ModelGated, StartError."""
    from huggingface_hub import HfApi, constants, errors, hf_hub_download

    if constants.HF_HUB_OFFLINE:
        raise ModelNotFound(
            f"'{model_id}' is not in the cache and HF_HUB_OFFLINE is set: copy the model's folder here (config.json and the "
            "safetensors files) and give its path"
        )
    try:
        commit = HfApi().model_info(model_id, revision=revision).sha  # fails at once where the hub cannot be reached
        config = checkpoint.read_json(Path(hf_hub_download(model_id, "config.json", revision=commit)))
        found = HfApi().get_safetensors_metadata(model_id, revision=commit)
    except errors.NotASafetensorsRepoError:
        raise StartError(
            f"'{model_id}' has no model.safetensors: planning reads safetensors headers, so look for a repository of the model in that form"
        ) from None
    except errors.SafetensorsParsingError as error:
        raise StartError(f"a weight file of '{model_id}' has a broken header ({error}): another revision may be whole") from None
    except Exception as error:
        raised = hub.sentence(error, model_id, revision)
        if "cannot be reached" in raised.message:
            ways = "copy the model's folder here and give its path, or set HF_ENDPOINT to a mirror"
            raise ModelNotFound(f"{raised.message}: {ways}") from error
        raise raised from error
    tensors = [
        Tensor(name, str(info.dtype), tuple(info.shape), info.data_offsets[1] - info.data_offsets[0])
        for file in found.files_metadata.values()
        for name, info in file.tensors.items()
    ]
    return config, tensors
