"""Every flag of ``train_with_cross_modal_attention.py``: name, default, help and checks in one place.

The command line made of them is in :mod:`hsegap.training.flags`.
"""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hsegap.errors import OneKindError
from hsegap.models.config import FusionConfig, LateFusionType

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


class OptionsError(OneKindError, ValueError):
    """Flags that do not fit together, said before any data is read."""

    CODE = "usage"


def _published(text: str, *, default: Any, **kwargs: Any) -> Any:
    return Field(default, description=text, json_schema_extra={"group": "published"}, **kwargs)


def _added(text: str, *, default: Any, **kwargs: Any) -> Any:
    return Field(default, description=text, json_schema_extra={"group": "added"}, **kwargs)


class TrainingOptions(BaseModel):
    """One training run. Field names are the flags' names."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    root_dir: str = _published("folder that holds the data sets", default="../dataset/")
    dataset: Dataset = _published("layout and name of the data set", default="jarvis")
    property: str = _published(
        "property to learn: a short name (formation_energy, fe, total_energy, …) or a folder's name",
        default="formation_energy",
    )
    train_ratio: float = _published("share of the rows to train on", default=0.8, ge=0, le=1)
    val_ratio: float = _published("share of the rows to select on", default=0.1, ge=0, le=1)
    test_ratio: float = _published("share of the rows to report on", default=0.1, ge=0, le=1)
    n_train: int | None = _published("number of training rows instead of the ratio", default=None, ge=1)
    n_val: int | None = _published("number of validation rows instead of the ratio", default=None, ge=1)
    n_test: int | None = _published("number of test rows instead of the ratio", default=None, ge=0)
    batch_size: int = _published("crystals per step", default=64, ge=1)
    epochs: int = _published("passes over the training rows", default=1000, ge=1)
    learning_rate: float = _published("highest learning rate of the one-cycle schedule", default=0.001, gt=0)
    weight_decay: float = _published("AdamW's weight decay", default=1e-5, ge=0)
    warmup_steps: int = _published("steps in which the learning rate rises (at most 30 %% of all)", default=2000, ge=0)
    alignn_layers: int = _published("ALIGNN convolutions", default=4)
    gcn_layers: int = _published("edge-gated convolutions after them", default=4)
    hidden_features: int = _published("width of atoms, bonds and angles", default=256)
    graph_dropout: float = _published("dropout in the convolutions", default=0.0)
    use_cross_modal: bool = _published(
        "attention between the crystal's and the text's vector before late fusion", default=True
    )
    cross_modal_hidden_dim: int = _published("its width", default=256)
    cross_modal_num_heads: int = _published("its heads", default=4)
    cross_modal_dropout: float = _published("its dropout, and that of late fusion", default=0.1)
    cross_modal_attention_type: Literal["bidirectional"] = _published("its direction", default="bidirectional")
    late_fusion_type: LateFusionType = _published(
        "how the crystal's and the text's vector become one", default="concat"
    )
    late_fusion_rank: int = _published("rank of bilinear and tucker", default=16)
    late_fusion_output_dim: int = _published("width after late fusion (concat ignores it)", default=64)
    use_middle_fusion: bool = _published("let the text into the atoms between ALIGNN layers", default=False)
    middle_fusion_layers: str = _published(
        "zero-based ALIGNN layers after which it enters, for instance 2 or 2,3", default="2"
    )
    middle_fusion_hidden_dim: int = _published("width of the text's MLP", default=128)
    middle_fusion_num_heads: int = _published("accepted and unused, as in the published script", default=2)
    middle_fusion_dropout: float = _published("its dropout", default=0.1)
    middle_fusion_use_gate_norm: bool = _published("LayerNorm before the gate", default=False)
    middle_fusion_use_learnable_scale: bool = _published("learn the weight of the text", default=False)
    middle_fusion_initial_scale: float = _published("where that weight starts", default=1.0)
    use_improved_middle_fusion: bool = _published("residual scaling and dynamic gating in middle fusion", default=False)
    middle_fusion_use_residual_scaling: bool = _published("learn the weight of the atom's own vector", default=True)
    middle_fusion_use_dynamic_gating: bool = _published("important atoms receive more text", default=True)
    middle_fusion_initial_node_scale: float = _published("where the atom's weight starts", default=1.0)
    use_fine_grained_attention: bool = _published("attention of atoms to the tokens of the text", default=False)
    fine_grained_hidden_dim: int = _published("its width", default=256)
    fine_grained_num_heads: int = _published("its heads", default=8)
    fine_grained_dropout: float = _published("its dropout", default=0.1)
    fine_grained_use_projection: bool = _published("project atoms and tokens to that width first", default=True)
    use_contrastive: bool = _published("contrastive loss between crystal and text vectors of a batch", default=False)
    contrastive_weight: float = _published("its weight", default=0.1)
    contrastive_temperature: float = _published("its temperature", default=0.1)
    classification: bool = _published("learn a probability instead of a number (0 or 1)", default=False)
    classification_threshold: float = _published("targets above it are the positive class", default=0.5)
    resume: bool = _published("continue from the last checkpoint in the output folder (0 or 1)", default=False)
    use_preprocessed: bool = _published("read saved DGL graphs instead of CIF files", default=False)
    preprocessed_dir: str = _published("where they are", default="preprocessed_data")
    early_stopping_patience: int | None = _published(
        "stop after so many epochs without a better validation error", default=None, ge=1
    )
    random_seed: int = _published("seed of weights, splits, order and dropout", default=123)
    num_workers: int = _published("processes that build batches ahead (0: none)", default=0, ge=0)
    mask_stopwords: bool = _published("replace stop words by [MASK] in the descriptions (0 or 1)", default=False)
    remove_stopwords: bool = _published("drop stop words from the descriptions (0 or 1)", default=False)
    stopwords_dir: str = _published("file, or folder of files, with one stop word a line", default="")
    output_dir: str = _published("results go to OUTPUT_DIR/PROPERTY/", default="./output/")
    config_file: str | None = _published("JSON or YAML file of flags; the command line wins", default=None)

    train_file: str = _added(
        "train on these .jsonl.gz files (comma-separated) instead of a data set's folder", default=""
    )
    val_file: str = _added("select on these .jsonl.gz files", default="")
    test_file: str = _added("report on these .jsonl.gz files", default="")
    target: str = _added(
        "field of the rows to learn; of several, comma-separated, the first there", default="hse_gap_ev"
    )
    only_described: bool = _added("use rows with a description only", default=False)
    text_encoder: str = _added(
        "text encoder: all-MiniLM-L6-v2 (the default, offline), a transformers folder or hub name, or a folder with "
        "text_encoder.onnx",
        default="all-MiniLM-L6-v2",
    )
    text_pooling: Literal["auto", "mean", "cls"] = _added(
        "the text's vector: mean of the tokens or CLS (auto: mean for the default encoder, cls for others)",
        default="auto",
    )
    text_max_tokens: int | None = _added(
        "longest text in tokens (none: 256 for the default encoder, 512 for others)", default=None, ge=3
    )
    text_table: str = _added(
        "character table such as MatSciBERT's vocab_mappings.txt (found by itself in the encoder's folder)", default=""
    )
    text_dropout: float = _added(
        "share of training texts replaced by the vector for a missing text", default=0.3, ge=0, le=1
    )
    no_text: Literal["learned", "encode_empty"] = _added("what stands in for a missing description", default="learned")
    graph_flavour: Literal["symmetric", "jarvis"] = _added("crystal-graph flavour", default="symmetric")
    cutoff: float = _added("neighbour search radius, Å", default=8.0)
    max_neighbors: int = _added(
        "nearest neighbours of an atom (ties are kept on top); the line graph grows with its square", default=12
    )
    embedding_features: int = _added("width between the radial basis and the hidden features", default=64)
    line_features: int | None = _added(
        "width of the convolutions on the line graph (none: that of the hidden features)", default=None
    )
    element_vectors: bool = _added("learn a vector per element beside its CGCNN features", default=False)
    bond_readout: bool = _added(
        "add to each atom what its bonds tell (without it pure elements all look alike)", default=False
    )
    composition: bool = _added("tell each atom what its crystal's formula is", default=False)
    middle_fusion_gcn_layers: str = _added("zero-based GCN layers after which text and facts enter", default="")
    facts: str = _added(
        "facts the network can be told, from the rows' fields of the same names: pbe_gap_ev", default=""
    )
    fact_dropout: float = _added("share of training crystals whose facts are withheld", default=0.5, ge=0, le=1)
    fact_jitter: float = _added("standard deviation of the noise on a fact in training, eV", default=0.1, ge=0)
    fact_wrong: float = _added("share of stated facts that are another crystal's in training", default=0.03, ge=0, le=1)
    pbe_head: Literal["none", "free", "base"] = _added(
        "a second head for the rows' pbe_gap_ev (base: the gap is its estimate plus a correction); "
        "rows without the target count too",
        default="none",
    )
    pbe_weight: float = _added("weight of the second head's loss", default=1.0, ge=0)
    repeat: int = _added("times a row with the target, no estimate, is drawn in an epoch, others once", default=1, ge=1)
    repeat_small: int = _added("times such a row of at most four atoms is drawn on top of that", default=1, ge=1)
    repeat_elements: int = _added("times any row of a pure element is drawn on top of both", default=1, ge=1)
    censored: bool = _added("an answer below zero is right where the gap is zero", default=False)
    teacher: str = _added(
        "folder of a teacher's features per atom (hsegap teacher) that the atoms' vectors have to predict", default=""
    )
    teacher_weight: float = _added("weight of the teacher's loss", default=0.1, ge=0)
    loss: Literal["mse", "huber", "mae"] = _added("loss of the regression", default="mse")
    huber_delta: float = _added("where the Huber loss turns linear, eV", default=0.5, gt=0)
    confidence_weights: str = _added("weights by label_confidence, for instance high=1,medium=0.7,low=0.4", default="")
    init_from: str = _added(
        "start from the weights of this checkpoint (or an artifact's weights.safetensors) where names and shapes agree",
        default="",
    )
    init_rename: str = _added(
        "beginnings of names in --init_from: old=new, commas between; old= leaves out", default=""
    )
    exclude: str = _added("files of ids not to train on, one a line, commas between; # begins a comment", default="")
    coordinate_noise: float = _added(
        "move atoms at random in training, with this standard deviation in Å along each axis (0: as they are)",
        default=0.0,
        ge=0,
        le=0.5,
    )
    lattice_noise: float = _added(
        "make lattices larger or smaller at random in training, with this standard deviation of the relative change "
        "(0: as they are)",
        default=0.0,
        ge=0,
        le=0.02,
    )
    lattice_slope: float = _added(
        "change of a gap with that relative change, eV: -12 lowers it by 0.12 eV where lengths grow by one percent",
        default=0.0,
        ge=-30,
        le=30,
    )
    strain_pairs: float = _added(
        "share of steps in which each crystal, without text or facts, is seen twice: its lattice larger by up to 3 % "
        "and smaller by the same; the mean of both answers is compared, so that a gap changes evenly with strain",
        default=0.0,
        ge=0,
        le=1,
    )
    strain_slope: float = _added(
        "weight of what the two answers of such a pair differ by beyond 0.3 eV per percent of the lattice, about as "
        "steep as deformation potentials get",
        default=0.0,
        ge=0,
    )
    ema_decay: float = _added(
        "validate and keep a running average of the weights, with this memory per step (0: the weights themselves)",
        default=0.0,
        ge=0,
        lt=1,
    )
    val_half: Literal["both", "first", "second"] = _added(
        "half of the validation rows to select on, drawn by id; the other stays for calibration", default="both"
    )
    holdout: str = _added(
        "leave a fold of the training rows out, for instance 0/3, and write what the network says about them",
        default="",
    )
    device: str = _added("cpu or cuda", default="cpu")
    amp: Literal["none", "bf16", "auto"] = _added(
        "mixed precision (auto: bf16 where the processor or GPU computes in it; elsewhere it is slower than none)",
        default="none",
    )
    compile: bool = _added("compile the network with torch.compile", default=False)
    max_line_edges: int = _added(
        "leave out training crystals with a larger line graph (0: none); time and memory grow with it", default=0, ge=0
    )
    checkpoint_steps: int = _added(
        "write the last checkpoint every so many steps, besides every epoch", default=200, ge=1
    )
    cache_dir: str = _added("folder for graphs, text vectors and the exported text encoder", default=".cache")
    threads: int = _added("torch threads (0: torch's choice)", default=0, ge=0)

    @field_validator("middle_fusion_layers", "middle_fusion_gcn_layers", "facts", mode="before")
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
        self.holdout_fold  # noqa: B018  reading it checks it
        if bool(self.train_file) != bool(self.val_file):
            raise ValueError("train_file and val_file go together")
        if (self.mask_stopwords or self.remove_stopwords) and not self.stopwords_dir:
            raise ValueError("mask_stopwords and remove_stopwords need stopwords_dir")
        if self.classification and self.loss != "mse":
            raise ValueError(f"classification has its own loss, binary cross-entropy: leave out loss {self.loss}")
        if self.classification and self.pbe_head != "none":
            raise ValueError("classification has one head: leave out pbe_head")
        if self.lattice_slope and not self.lattice_noise:
            raise ValueError("lattice_slope moves gaps with lattice_noise: give that too")
        if self.mask_stopwords and self.remove_stopwords:
            raise ValueError("choose mask_stopwords or remove_stopwords, not both")
        self.fusion_config(text_features=768)
        return self

    def fusion_config(self, *, text_features: int) -> FusionConfig:
        """The network's configuration these flags describe."""
        names = {CONFIG_NAMES.get(name, name): name for name in type(self).model_fields}
        values = {key: getattr(self, names[key]) for key in FusionConfig.model_fields if key in names}
        values["facts"] = [name for name in self.facts.split(",") if name]
        return FusionConfig.model_validate({**values, "text_features": text_features})

    @builtins.property
    def threshold(self) -> float | None:
        """What divides the targets into two classes; None where a number is learned."""
        return self.classification_threshold if self.classification else None

    @builtins.property
    def holdout_fold(self) -> tuple[int, int] | None:
        """Fold to hold out and number of folds; None without.

        Raises:
            ValueError: If ``holdout`` is not such a pair.
        """
        if not self.holdout:
            return None
        first, _, second = self.holdout.partition("/")
        if not (first.isdecimal() and second.isdecimal() and int(second) >= 2 and int(first) < int(second)):
            raise ValueError(f"holdout is a fold and the number of folds, for instance 0/3, not {self.holdout!r}")
        return int(first), int(second)

    @builtins.property
    def property_folder(self) -> str:
        """Folder of the property below the data set."""
        return PROPERTY_FOLDERS.get(self.property, self.property)

    @builtins.property
    def output_folder(self) -> Path:
        """Where this run writes."""
        return Path(self.output_dir) / self.property


def options_from(values: dict[str, Any]) -> TrainingOptions:
    """Check values as :class:`TrainingOptions`.

    Raises:
        OptionsError: If values or their combination cannot work; one line per reason.
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
