"""Every flag of ``train_with_cross_modal_attention.py``: name, default, help and checks in one place."""

from __future__ import annotations

import argparse
import builtins
import json
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.config import FusionConfig, LateFusionType

Dataset = Literal["jarvis", "mp", "class", "toy"]

#: Short names of properties and the folders they stand for; anything else names its folder.
PROPERTY_FOLDERS = {
    "formation_energy": "formation_energy_peratom",
    "fe": "formation_energy_peratom",
    "total_energy": "optb88vdw_total_energy",
    "opt_bandgap": "optb88vdw_bandgap",
    "bulk_modulus": "bulk_modulus_kv",
    "shear_modulus": "shear_modulus_gv",
}
#: Flags whose name in the network's configuration differs.
CONFIG_NAMES = {
    "use_cross_modal": "use_cross_modal_attention",
    "use_contrastive": "use_contrastive_loss",
    "contrastive_weight": "contrastive_loss_weight",
}


class OptionsError(ValueError):
    """Flags that do not fit together, said before any data is read."""


def _published(default: Any, text: str, **kwargs: Any) -> Any:
    return Field(default, description=text, json_schema_extra={"group": "published"}, **kwargs)


def _added(default: Any, text: str, **kwargs: Any) -> Any:
    return Field(default, description=text, json_schema_extra={"group": "added"}, **kwargs)


class TrainingOptions(BaseModel):
    """One training run. Field names are the flags' names."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    root_dir: str = _published("../dataset/", "folder that holds the data sets")
    dataset: Dataset = _published("jarvis", "layout and name of the data set")
    property: str = _published("formation_energy", "property to learn: a short name (formation_energy, fe, total_energy, …) or a folder's name")
    train_ratio: float = _published(0.8, "share of the rows to train on", ge=0, le=1)
    val_ratio: float = _published(0.1, "share of the rows to select on", ge=0, le=1)
    test_ratio: float = _published(0.1, "share of the rows to report on", ge=0, le=1)
    n_train: int | None = _published(None, "number of training rows instead of the ratio", ge=1)
    n_val: int | None = _published(None, "number of validation rows instead of the ratio", ge=1)
    n_test: int | None = _published(None, "number of test rows instead of the ratio", ge=1)
    batch_size: int = _published(64, "crystals per step", ge=1)
    epochs: int = _published(1000, "passes over the training rows", ge=1)
    learning_rate: float = _published(0.001, "highest learning rate of the one-cycle schedule", gt=0)
    weight_decay: float = _published(1e-5, "AdamW's weight decay", ge=0)
    warmup_steps: int = _published(2000, "steps in which the learning rate rises (at most 30 %% of all)", ge=0)
    alignn_layers: int = _published(4, "ALIGNN convolutions")
    gcn_layers: int = _published(4, "edge-gated convolutions after them")
    hidden_features: int = _published(256, "width of atoms, bonds and angles")
    graph_dropout: float = _published(0.0, "dropout in the convolutions")
    use_cross_modal: bool = _published(True, "attention between the crystal's and the text's vector before late fusion")
    cross_modal_hidden_dim: int = _published(256, "its width")
    cross_modal_num_heads: int = _published(4, "its heads")
    cross_modal_dropout: float = _published(0.1, "its dropout, and that of late fusion")
    cross_modal_attention_type: Literal["bidirectional"] = _published("bidirectional", "its direction")
    late_fusion_type: LateFusionType = _published("concat", "how the crystal's and the text's vector become one")
    late_fusion_rank: int = _published(16, "rank of bilinear and tucker")
    late_fusion_output_dim: int = _published(64, "width after late fusion (concat ignores it)")
    use_middle_fusion: bool = _published(False, "let the text into the atoms between ALIGNN layers")
    middle_fusion_layers: str = _published("2", "zero-based ALIGNN layers after which it enters, for instance 2 or 2,3")
    middle_fusion_hidden_dim: int = _published(128, "width of the text's MLP")
    middle_fusion_num_heads: int = _published(2, "accepted and unused, as in the published script")
    middle_fusion_dropout: float = _published(0.1, "its dropout")
    middle_fusion_use_gate_norm: bool = _published(False, "LayerNorm before the gate")
    middle_fusion_use_learnable_scale: bool = _published(False, "learn the weight of the text")
    middle_fusion_initial_scale: float = _published(1.0, "where that weight starts")
    use_improved_middle_fusion: bool = _published(False, "residual scaling and dynamic gating in middle fusion")
    middle_fusion_use_residual_scaling: bool = _published(True, "learn the weight of the atom's own vector")
    middle_fusion_use_dynamic_gating: bool = _published(True, "important atoms receive more text")
    middle_fusion_initial_node_scale: float = _published(1.0, "where the atom's weight starts")
    use_fine_grained_attention: bool = _published(False, "attention of atoms to the tokens of the text")
    fine_grained_hidden_dim: int = _published(256, "its width")
    fine_grained_num_heads: int = _published(8, "its heads")
    fine_grained_dropout: float = _published(0.1, "its dropout")
    fine_grained_use_projection: bool = _published(True, "project atoms and tokens to that width first")
    use_contrastive: bool = _published(False, "contrastive loss between crystal and text vectors of a batch")
    contrastive_weight: float = _published(0.1, "its weight")
    contrastive_temperature: float = _published(0.1, "its temperature")
    classification: bool = _published(False, "learn a probability instead of a number (0 or 1)")
    classification_threshold: float = _published(0.5, "targets above it are the positive class")
    resume: bool = _published(False, "continue from the last checkpoint in the output folder (0 or 1)")
    use_preprocessed: bool = _published(False, "read saved DGL graphs instead of CIF files")
    preprocessed_dir: str = _published("preprocessed_data", "where they are")
    early_stopping_patience: int | None = _published(None, "stop after so many epochs without a better validation error", ge=1)
    random_seed: int = _published(123, "seed of weights, splits, order and dropout")
    num_workers: int = _published(0, "processes that build batches ahead (0: none)", ge=0)
    mask_stopwords: bool = _published(False, "replace stop words by [MASK] in the descriptions (0 or 1)")
    remove_stopwords: bool = _published(False, "drop stop words from the descriptions (0 or 1)")
    stopwords_dir: str = _published("", "file, or folder of files, with one stop word a line")
    output_dir: str = _published("./output/", "results go to OUTPUT_DIR/PROPERTY/")
    config_file: str | None = _published(None, "JSON or YAML file of flags; the command line wins")

    train_file: str = _added("", "train on these .jsonl.gz files (comma-separated) instead of a data set's folder")
    val_file: str = _added("", "select on these .jsonl.gz files")
    test_file: str = _added("", "report on these .jsonl.gz files")
    target: str = _added("hse_gap_ev", "field of the .jsonl.gz rows to learn; several separated by commas are tried in order")
    text_encoder: str = _added("all-MiniLM-L6-v2", "text encoder: all-MiniLM-L6-v2 (the default, offline), a transformers folder or hub name, or a folder that holds text_encoder.onnx")
    text_dropout: float = _added(0.3, "share of training texts replaced by the vector for a missing text", ge=0, le=1)
    no_text: Literal["learned", "encode_empty"] = _added("learned", "what stands in for a missing description")
    graph_flavour: Literal["symmetric", "jarvis"] = _added("symmetric", "crystal-graph flavour")
    embedding_features: int = _added(64, "width between the radial basis and the hidden features")
    loss: Literal["mse", "huber", "mae"] = _added("mse", "loss of the regression")
    huber_delta: float = _added(0.5, "where the Huber loss turns linear, eV", gt=0)
    confidence_weights: str = _added("", "weights by label_confidence, for instance high=1,medium=0.7,low=0.4")
    init_from: str = _added("", "start from the weights of this checkpoint where names and shapes agree")
    device: str = _added("cpu", "cpu or cuda")
    amp: Literal["none", "bf16"] = _added("none", "mixed precision")
    compile: bool = _added(False, "compile the network with torch.compile")
    max_line_edges: int = _added(0, "leave out training crystals with a larger line graph (0: none); time and memory grow with it", ge=0)
    checkpoint_steps: int = _added(200, "write the last checkpoint every so many steps, besides every epoch", ge=1)
    cache_dir: str = _added(".cache", "folder for graphs, text vectors and the exported text encoder")
    threads: int = _added(0, "torch threads (0: torch's choice)", ge=0)

    @field_validator("middle_fusion_layers", mode="before")
    @classmethod
    def _layers_as_text(cls, value: Any) -> Any:
        return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        total = self.train_ratio + self.val_ratio + self.test_ratio
        if total > 1 + 1e-9:
            raise ValueError(f"train_ratio + val_ratio + test_ratio is {total:g}; together they are at most 1")
        if self.use_contrastive and self.batch_size < 2:
            raise ValueError("use_contrastive compares the crystals of a batch: batch_size has to be 2 or more")
        if bool(self.train_file) != bool(self.val_file):
            raise ValueError("train_file and val_file go together")
        if (self.mask_stopwords or self.remove_stopwords) and not self.stopwords_dir:
            raise ValueError("mask_stopwords and remove_stopwords need stopwords_dir")
        if self.mask_stopwords and self.remove_stopwords:
            raise ValueError("choose mask_stopwords or remove_stopwords, not both")
        self.fusion_config(text_features=768)
        return self

    def fusion_config(self, *, text_features: int) -> FusionConfig:
        """The network's configuration these flags describe."""
        names = {CONFIG_NAMES.get(name, name): name for name in type(self).model_fields}
        values = {key: getattr(self, names[key]) for key in FusionConfig.model_fields if key in names}
        return FusionConfig.model_validate({**values, "text_features": text_features})

    @builtins.property
    def property_folder(self) -> str:
        """Folder of the property below the data set."""
        return PROPERTY_FOLDERS.get(self.property, self.property)

    @builtins.property
    def output_folder(self) -> Path:
        """Where this run writes."""
        return Path(self.output_dir) / self.property


def _word(value: str) -> bool:
    """Read a boolean word.

    Raises:
        argparse.ArgumentTypeError: For any other word.
    """
    word = value.strip().lower()
    if word in {"true", "yes", "1", "t", "y", "on"}:
        return True
    if word in {"false", "no", "0", "f", "n", "off"}:
        return False
    raise argparse.ArgumentTypeError(f"expected True or False (yes/no, 1/0), not {value!r}")


def build_parser() -> argparse.ArgumentParser:
    """The command line: the published flags, then the options we had to add."""
    parser = argparse.ArgumentParser(
        prog="train_with_cross_modal_attention.py",
        description="Train the crystal-text network.",
        epilog="Example: python train_with_cross_modal_attention.py --root_dir ./data --property hse_bandgap-2 --use_middle_fusion True "
        "--use_improved_middle_fusion True --epochs 100. Booleans are words: True/False, yes/no, 1/0.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    groups = {
        "published": parser.add_argument_group("published flags"),
        "added": parser.add_argument_group("options added by hsegap"),
    }
    for name, info in TrainingOptions.model_fields.items():
        extra = info.json_schema_extra
        group = groups[str(extra["group"])] if isinstance(extra, dict) else groups["added"]
        kind: Any = info.annotation
        kinds = [part for part in get_args(kind) if part is not type(None)] if type(None) in get_args(kind) else [kind]
        kind = kinds[0]
        settings: dict[str, Any] = {"help": info.description, "default": argparse.SUPPRESS}
        if get_origin(kind) is Literal:
            settings |= {"choices": get_args(kind), "type": str}
        else:
            settings |= {"type": _word if kind is bool else kind, "metavar": {bool: "BOOL", int: "N", float: "X"}.get(kind, "TEXT")}
        # Defaults are shown, yet absent flags must stay absent so that --config_file can speak for them.
        settings["help"] = f"{info.description} (default: {info.default})"
        group.add_argument(f"--{name}", **settings)
    parser.formatter_class = argparse.HelpFormatter
    return parser


def parse_options(arguments: list[str] | None = None) -> TrainingOptions:
    """Read the command line and the file it may name.

    Raises:
        OptionsError: If values or their combination cannot work; one line per reason.
    """
    given = vars(build_parser().parse_args(arguments))
    if given.get("config_file"):
        given = {**read_option_file(given["config_file"]), **given}
    return options_from(given)


def options_from(values: dict[str, Any]) -> TrainingOptions:
    """Check values as :class:`TrainingOptions`.

    Raises:
        OptionsError: As :func:`parse_options`.
    """
    try:
        return TrainingOptions.model_validate(values)
    except ValidationError as error:
        reasons = []
        for item in error.errors():
            where = ".".join(map(str, item["loc"]))
            message = str(item.get("ctx", {}).get("error", item["msg"]))
            if isinstance(item.get("ctx", {}).get("error"), ValidationError):
                message = "; ".join(_reason(inner) for inner in item["ctx"]["error"].errors())
            reasons.append(f"--{where}: {message}" if where else message)
        raise OptionsError("\n".join(reasons)) from None


def _reason(item: Any) -> str:
    where = ".".join(map(str, item["loc"]))
    message = str(item.get("ctx", {}).get("error", item["msg"]))
    return f"{where}: {message}" if where else message


def read_option_file(path: str | Path) -> dict[str, Any]:
    """Read flags from a JSON or YAML file.

    Raises:
        OptionsError: If it cannot be read or is not a mapping of flags.
    """
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8")
        values = json.loads(text) if str(path).endswith(".json") else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise OptionsError(f"--config_file {path}: {error}") from error
    if not isinstance(values, dict):
        raise OptionsError(f"--config_file {path}: expected a mapping of flags, found {type(values).__name__}")
    return values
