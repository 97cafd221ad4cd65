"""Checkpoints: ours and those of the CrysMMNet family, read without running anything they contain."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError

from hsegap.errors import OneKindError
from hsegap.models.config import FusionConfig
from hsegap.models.network import CrystalTextNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class CheckpointError(OneKindError, ValueError):
    """A checkpoint that cannot be used: what is wrong, and the keys it is wrong about."""

    CODE = "unusable_checkpoint"


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A network and how its configuration was found.

    Attributes:
        network: In evaluation mode.
        assumed: What neither the file nor the caller said and was therefore taken from names, shapes or defaults,
            one sentence each.
    """

    network: CrystalTextNetwork
    assumed: list[str] = field(default_factory=list)


#: Where a file may keep its state dict; a file without any of them is taken as one itself.
STATE_ENTRIES = ("model", "state_dict", "model_state_dict")
#: Settings that no shape shows; a foreign checkpoint without them gets the default, and the user is told.
UNSEEN_IN_SHAPES = ("classification", "cross_modal_num_heads", "fine_grained_num_heads", "link")
#: Entries of foreign configurations that say nothing about the network.
FOREIGN_ENTRIES = frozenset(
    {"name", "zero_inflated", "num_classes", "output_dir", "fusion_strategy", "use_middle_fusion_attention"}
)


def load_checkpoint(path: str | Path, *, overrides: Mapping[str, Any] | None = None) -> CrystalTextNetwork:
    """Load a checkpoint of ours or of the CrysMMNet family.

    Args:
        path: A ``.pt`` file: a dict with a ``model`` entry (a state dict) and usually ``config``, or a bare state dict.
            Or an artifact's ``weights.safetensors``.
        overrides: Configuration entries that the caller knows better; strings are parsed as JSON where possible.

    Returns:
        The network in evaluation mode.

    Raises:
        CheckpointError: If the file needs unpickling, or keys or shapes do not fit; the message lists them.
    """
    return read_checkpoint(path, overrides=overrides).network


def read_checkpoint(path: str | Path, *, overrides: Mapping[str, Any] | None = None) -> LoadedCheckpoint:
    """Like :func:`load_checkpoint`, and says what was assumed."""
    content = read_weights_only(path)
    state = next((content[key] for key in STATE_ENTRIES if key in content), content)
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(
            f"{path} holds no state dict: expected a dict with a 'model' entry of tensors, found {_summary(content)}"
        )
    state = {key.removeprefix("module."): value for key, value in state.items()}
    given = content.get("config")
    config, assumed = _configuration(state, given if isinstance(given, dict) else None, dict(overrides or {}))
    network = CrystalTextNetwork(config)
    state = _without_constants(state, network.state_dict())
    _check_fit(state, network.state_dict(), path)
    network.load_state_dict(state, strict=True)
    return LoadedCheckpoint(network.eval(), assumed)


def read_weights_only(path: str | Path) -> dict[str, Any]:
    """Read a ``.pt`` file as tensors and plain values only.

    Or the ``weights.safetensors`` of an artifact with its configuration.

    Raises:
        CheckpointError: If the file is missing, damaged, or wants to run code.
    """
    if Path(path).suffix == ".safetensors":
        return _read_safetensors(Path(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist") from error
    except pickle.UnpicklingError as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise CheckpointError(
            f"{path} was refused: it holds more than tensors and plain values, and loading it could run code "
            f"({reason}). "
            "Save it again with torch.save({'model': network.state_dict(), 'config': plain_dict}, path)."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is not a readable PyTorch file: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a dict with a 'model' entry")
    return content


def _read_safetensors(path: Path) -> dict[str, Any]:
    """Tensors, and the configuration from the manifest beside them where there is one."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        content: dict[str, Any] = {"model": load_file(path)}
        manifest = path.with_name("manifest.json")
        if manifest.is_file():
            content["config"] = json.loads(manifest.read_text(encoding="utf-8"))["config"]
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist") from error
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} or the manifest beside it is not readable: {error!r}") from error
    return content


def _summary(content: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {type(value).__name__}" for key, value in list(content.items())[:8]) or "an empty dict"


def _configuration(
    state: dict[str, Tensor], given: dict[str, Any] | None, overrides: dict[str, Any]
) -> tuple[FusionConfig, list[str]]:
    """Combine what shapes, the file and the caller say (in rising order of precedence)."""
    assumed: list[str] = []
    known = FusionConfig.model_fields
    values: dict[str, Any] = {**infer_config(state)}
    if given is None:
        assumed.append("the file has no config: layers, widths and modules were read from its names and shapes")
        given = {}
    ours = "graph_flavour" in given
    inner = given.get("model")
    # An entry without a value says nothing.
    nested: dict[str, Any] = {
        key: value for key, value in (inner if isinstance(inner, dict) else given).items() if value is not None
    }
    for key, value in nested.items():
        if key in known:
            values[key] = value
        elif key not in FOREIGN_ENTRIES:
            assumed.append(f"config entry {key!r} is not a setting of the network and was ignored")
    unknown = [key for key in overrides if key not in known]
    if unknown:
        raise CheckpointError(f"unknown setting {', '.join(unknown)}; known are: {', '.join(known)}")
    values.update({key: _plain(value) for key, value in overrides.items()})
    stated = {*nested, *overrides}
    defaults = (
        {}
        if ours
        else {"graph_flavour": "jarvis", "no_text": "learned" if "no_text_vector" in state else "encode_empty"}
    )
    for key, value in defaults.items():
        if key not in stated:
            values[key] = value
            assumed.append(f"{key} = {value}")
    uses = {
        "cross_modal_num_heads": any(key.startswith("cross_modal_attention.") for key in state),
        "fine_grained_num_heads": any(key.startswith("fine_grained_attention.") for key in state),
    }
    assumed.extend(
        f"{key} = {known[key].default}"
        for key in UNSEEN_IN_SHAPES
        if key not in stated and not ours and uses.get(key, True)
    )
    try:
        return FusionConfig.model_validate(values), assumed
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'config'}: {item['msg']}" for item in error.errors())
        raise CheckpointError(f"the checkpoint's configuration cannot be built: {reasons}") from error


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value in {"True", "False"}:
        return value == "True"
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


#: A weight that only one of the late fusions has.
LATE_FUSION_BY_KEY = {
    "fusion_module.gate_graph.0.weight": "gated",
    "fusion_module.graph_proj.weight": "bilinear",
    "fusion_module.gate_net.0.weight": "adaptive",
    "fusion_module.core_factor.weight": "tucker",
}


def infer_config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read from names and shapes whatever they show of the configuration."""

    def width(key: str, axis: int) -> int | None:
        return _width(state, key, axis)

    def count(stem: str) -> int:
        found = {int(match[1]) for key in state if (match := re.match(rf"{stem}\.(\d+)\.", key))}
        return max(found) + 1 if found else 0

    fusion_layers = sorted(
        {int(match[1]) for key in state if (match := re.match(r"middle_fusion_modules\.layer_(\d+)\.", key))}
    )
    alignn_layers = count("alignn_layers")
    facts = list(
        dict.fromkeys(match[1] for key in state if (match := re.match(r"fact_embedding\.embeddings\.(\w+)\.", key)))
    )
    line_features = width("alignn_layers.0.edge_update.src_gate.weight", 0)
    hidden = width("atom_embedding.layer.0.weight", 0)
    attends = any(key.startswith("fine_grained_attention.") for key in state)
    found: dict[str, Any] = {
        "alignn_layers": alignn_layers,
        "gcn_layers": count("gcn_layers"),
        "hidden_features": hidden,
        "line_features": line_features if line_features != hidden else None,
        "element_vectors": "element_vectors.weight" in state,
        "bond_readout": "bond_readout.read.weight" in state,
        "composition": "composition.element.weight" in state,
        "facts": facts,
        "fact_centres": width("fact_embedding.basis.centers", 0),
        # Whether the second head's estimate is the first one's base, no name shows.
        "pbe_head": "base" if "pbe_head.0.weight" in state else "none",
        "embedding_features": width("edge_embedding.1.layer.0.weight", 0),
        "atom_input_features": width("atom_embedding.layer.0.weight", 1),
        "edge_input_features": width("edge_embedding.0.centers", 0),
        "triplet_input_features": width("angle_embedding.0.centers", 0),
        "use_text": "text_projection.projection.weight" in state,
        "text_features": width("text_projection.projection.weight", 1),
        "no_text": "learned" if "no_text_vector" in state else "encode_empty",
        "use_middle_fusion": bool(fusion_layers),
        "use_fine_grained_attention": attends,
        "fine_grained_hidden_dim": width("fine_grained_attention.a2t_query.weight", 0),
        "fine_grained_use_projection": "fine_grained_attention.node_proj_in.weight" in state or not attends,
        "use_cross_modal_attention": any(key.startswith("cross_modal_attention.") for key in state),
        "cross_modal_hidden_dim": width("cross_modal_attention.g2t_query.weight", 0),
    }
    found |= _late_fusion(state) | _middle_fusion(state, fusion_layers, alignn_layers)
    return {key: value for key, value in found.items() if value is not None}


def _width(state: Mapping[str, Tensor], key: str, axis: int) -> int | None:
    """Length of a tensor's axis; None where the tensor or the axis is not there."""
    return int(state[key].shape[axis]) if key in state and state[key].ndim > axis else None


def _late_fusion(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the names and shapes show of the late fusion."""
    kind = next((name for key, name in LATE_FUSION_BY_KEY.items() if key in state), "concat")
    found: dict[str, Any] = {"late_fusion_type": kind}
    output = _width(state, "fc.weight", 1)
    if kind != "concat":
        found["late_fusion_output_dim"] = output
    if kind == "tucker":
        found["late_fusion_rank"] = _width(state, "fusion_module.graph_factor.weight", 0)
    if kind == "bilinear":
        found["late_fusion_rank"] = (_width(state, "fusion_module.graph_proj.weight", 0) or 0) // (output or 1)
    return found


def _middle_fusion(state: Mapping[str, Tensor], layers: list[int], alignn_layers: int) -> dict[str, Any]:
    """What the names and shapes show of the middle fusion after some layers, which are numbered through."""
    if not layers:
        return {}
    first = f"middle_fusion_modules.layer_{layers[0]}."
    importance = first + "importance_predictor.0.weight" in state
    return {
        "middle_fusion_layers": [layer for layer in layers if layer < alignn_layers],
        "middle_fusion_gcn_layers": [layer - alignn_layers for layer in layers if layer >= alignn_layers],
        "middle_fusion_hidden_dim": _width(state, first + "text_transform.0.weight", 0),
        "middle_fusion_use_gate_norm": first + "gate_norm.weight" in state,
        # A learned scale and a constant one have the same name and shape; a constant is exactly 1.
        "middle_fusion_use_learnable_scale": _differs_from_one(state.get(first + "text_scale")),
        "use_improved_middle_fusion": first + "node_scale" in state or importance,
        "middle_fusion_use_residual_scaling": _differs_from_one(state.get(first + "node_scale")),
        "middle_fusion_use_dynamic_gating": importance,
    }


def _differs_from_one(value: Tensor | None) -> bool:
    return value is not None and float(value) != 1.0


def _without_constants(state: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Bridge what versions of the family disagree on.

    Scales that do not act or have an axis, counters that BatchNorm does not need.
    """
    scales = (".text_scale", ".node_scale", ".importance_modulation")
    bridged = {
        key: value.reshape(()) if key.endswith(scales) and value.numel() == 1 else value for key, value in state.items()
    }
    for key in expected.keys() - state.keys():
        if key.endswith((".text_scale", ".node_scale")):
            bridged[key] = torch.ones(())
        elif key.endswith(".num_batches_tracked"):
            bridged[key] = torch.zeros((), dtype=torch.int64)
    for key in state.keys() - expected.keys():
        constant = key.endswith(".node_scale") and not _differs_from_one(state[key])
        # Without a predictor of importance there is nothing to modulate.
        idle = (
            key.endswith(".importance_modulation")
            and key.replace("importance_modulation", "importance_predictor.0.weight") not in state
        )
        if constant or idle:
            del bridged[key]
    return bridged


def _check_fit(state: dict[str, Tensor], expected: dict[str, Tensor], path: str | Path) -> None:
    """Compare names and shapes before loading, so that the error lists all of them.

    Raises:
        CheckpointError: If any name is missing, unknown or has another shape.
    """
    missing = sorted(expected.keys() - state.keys())
    unknown = sorted(state.keys() - expected.keys())
    shapes = [
        f"{key}: file {list(state[key].shape)}, network {list(expected[key].shape)}"
        for key in sorted(expected.keys() & state.keys())
        if state[key].shape != expected[key].shape
    ]
    problems = [
        f"{title}:\n  " + "\n  ".join(keys)
        for title, keys in (("missing", missing), ("unknown", unknown), ("wrong shape", shapes))
        if keys
    ]
    if problems:
        raise CheckpointError(f"{path} does not fit the network its configuration describes.\n" + "\n".join(problems))
