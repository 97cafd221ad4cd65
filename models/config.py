"""Configuration of the network: validated, frozen, and the same in JSON."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from hsegap.models.elements import N_FEATURES

LateFusionType = Literal["concat", "gated", "bilinear", "adaptive", "tucker"]
LATE_FUSION_TYPES: tuple[str, ...] = ("concat", "gated", "bilinear", "adaptive", "tucker")

#: Facts about a crystal that a network can be told, by the name of their field in requests and rows.
Fact = Literal["pbe_gap_ev"]

#: Width of both vectors that enter late fusion (fixed in the CrysMMNet family's projection heads).
PROJECTION_WIDTH = 64


class FusionConfig(BaseModel):
    """What the network is made of. Names are those of the CrysMMNet family's ``config`` entries.

    Attributes:
        alignn_layers: Number of ALIGNN convolutions (crystal graph, then line graph).
        gcn_layers: Number of edge-gated convolutions on the crystal graph that follow.
        hidden_features: Width H of atoms, bonds and angles.
        embedding_features: Width between the radial basis and H.
        atom_input_features: CGCNN features per element.
        edge_input_features: Centres of the bond length's radial basis (0–8 Å).
        triplet_input_features: Centres of the angle cosine's radial basis (−1…1).
        graph_dropout: Dropout inside the convolutions.
        use_text: False for a graph-only network (mean over atoms → ``fc``), as plain ALIGNN checkpoints are.
        text_features: Width of the text encoder's vectors.
        no_text: What stands in for a missing description: ``learned`` (a vector of the network, trained through
            text dropout) or ``encode_empty`` (the encoder's answer to the empty string; imported checkpoints).
        use_middle_fusion: Text enters the atoms between ALIGNN layers.
        middle_fusion_layers: Zero-based ALIGNN layers after which it does, ascending (accepts ``"2,3"``).
        middle_fusion_gcn_layers: Zero-based GCN layers after which it does, counted from the first GCN layer. What
            stands before the first fusion knows the structure alone and is computed once, whatever is told.
        line_features: Width of the convolutions on the line graph; None for ``hidden_features``, as published.
        element_vectors: Add a learned vector per element to the CGCNN features' embedding.
        bond_readout: Before the first fusion add to each atom what its bonds tell, their mean. A convolution weights
            its neighbours and divides by the sum of the weights: where all atoms are alike, as in diamond and graphite,
            the result is the same whatever the bonds are.
        composition: Tell each atom what its crystal's formula is, before the first layer and before the first fusion.
        facts: Known quantities that a user may state, in the order of the inputs ``fact_values`` and ``fact_known``.
        fact_centres: Centres of the radial basis of a fact's value (0–12 eV).
        pbe_head: ``none``, or a second head that estimates the PBE gap from the structure alone. With ``base`` the HSE
            gap is that estimate (or the stated PBE gap, where it is a known fact) plus what the fused vectors add; with
            ``free`` the two heads share the trunk only.
        classification: The output is a probability (sigmoid) instead of a gap in eV.
        link: Function on the output: ``identity``, ``log`` (exponential) or ``logit`` (sigmoid).
        graph_flavour: Crystal-graph flavour the weights were trained on.
        cutoff: Neighbour search radius the weights were trained on, Å.
        max_neighbors: Nearest neighbours per atom (ties are kept on top).

    The remaining fields mirror the flags of ``train_with_cross_modal_attention.py``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alignn_layers: int = Field(4, ge=0, le=32)
    gcn_layers: int = Field(4, ge=0, le=32)
    hidden_features: int = Field(256, ge=2, le=4096)
    embedding_features: int = Field(64, ge=1, le=4096)
    atom_input_features: int = Field(92, ge=1)
    edge_input_features: int = Field(80, ge=2)
    triplet_input_features: int = Field(40, ge=2)
    output_features: Literal[1] = 1
    graph_dropout: float = Field(0.0, ge=0, lt=1)
    line_features: int | None = Field(None, ge=2, le=4096)
    element_vectors: bool = False
    bond_readout: bool = False
    composition: bool = False

    use_text: bool = True
    text_features: int = Field(768, ge=1, le=16384)
    no_text: Literal["learned", "encode_empty"] = "learned"

    use_middle_fusion: bool = False
    middle_fusion_layers: tuple[int, ...] = (2,)
    middle_fusion_gcn_layers: tuple[int, ...] = ()
    middle_fusion_hidden_dim: int = Field(128, ge=1)
    middle_fusion_num_heads: int = Field(2, ge=1)
    middle_fusion_dropout: float = Field(0.1, ge=0, lt=1)
    middle_fusion_use_gate_norm: bool = False
    middle_fusion_use_learnable_scale: bool = False
    middle_fusion_initial_scale: float = 1.0
    use_improved_middle_fusion: bool = False
    middle_fusion_use_residual_scaling: bool = True
    middle_fusion_use_dynamic_gating: bool = True
    middle_fusion_initial_node_scale: float = 1.0

    use_fine_grained_attention: bool = False
    fine_grained_hidden_dim: int = Field(256, ge=1)
    fine_grained_num_heads: int = Field(8, ge=1)
    fine_grained_dropout: float = Field(0.1, ge=0, lt=1)
    fine_grained_use_projection: bool = True

    use_cross_modal_attention: bool = True
    cross_modal_attention_type: Literal["bidirectional"] = "bidirectional"
    cross_modal_hidden_dim: int = Field(256, ge=1)
    cross_modal_num_heads: int = Field(4, ge=1)
    cross_modal_dropout: float = Field(0.1, ge=0, lt=1)

    late_fusion_type: LateFusionType = "concat"
    late_fusion_rank: int = Field(16, ge=1)
    late_fusion_output_dim: int = Field(64, ge=1)

    facts: tuple[Fact, ...] = ()
    fact_centres: int = Field(49, ge=2)
    pbe_head: Literal["none", "free", "base"] = "none"

    use_contrastive_loss: bool = False
    contrastive_loss_weight: float = Field(0.1, ge=0)
    contrastive_temperature: float = Field(0.1, gt=0)

    classification: bool = False
    link: Literal["identity", "log", "logit"] = "identity"

    graph_flavour: Literal["symmetric", "jarvis"] = "symmetric"
    cutoff: float = Field(8.0, gt=0, le=20)
    max_neighbors: int = Field(12, ge=1, le=64)

    @field_validator("middle_fusion_layers", "middle_fusion_gcn_layers", mode="before")
    @classmethod
    def _layers_from_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Accept ``"2"``, ``"2,3"``, ``2`` and lists; ascending, each once."""
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",") if part.strip()]
            if not all(part.isdigit() for part in parts):
                msg = f"{info.field_name} is a list of layer numbers such as 2 or 2,3, not {value!r}"
                raise ValueError(msg)
            value = [int(part) for part in parts]
        if isinstance(value, int):
            value = [value]
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        """Refuse combinations that cannot be built, naming both sides."""
        if self.atom_input_features != N_FEATURES:
            # Other tables exist (ALIGNN's "basic" has 11 columns); a network trained on one would only fail at its
            # first prediction.
            msg = (
                f"atom_input_features is {self.atom_input_features}; "
                f"only the table of {N_FEATURES} CGCNN features is supported"
            )
            raise ValueError(msg)
        if self.use_middle_fusion:
            if not self.middle_fusion_layers and not self.middle_fusion_gcn_layers:
                raise ValueError("use_middle_fusion is on but middle_fusion_layers is empty")
            missing = [layer for layer in self.middle_fusion_layers if not 0 <= layer < self.alignn_layers]
            if missing:
                last = self.alignn_layers - 1
                msg = (
                    f"middle_fusion_layers names layer {missing[0]}, but the {self.alignn_layers} ALIGNN layers "
                    f"are numbered 0 to {last}"
                )
                raise ValueError(msg)
            beyond = [layer for layer in self.middle_fusion_gcn_layers if not 0 <= layer < self.gcn_layers]
            if beyond:
                msg = (
                    f"middle_fusion_gcn_layers names layer {beyond[0]}, but the {self.gcn_layers} GCN layers are "
                    "numbered from 0"
                )
                raise ValueError(msg)
        if self.facts and not self.use_text:
            raise ValueError("facts are fused with the text's vector: they need use_text")
        for switch, width, heads in (
            ("use_cross_modal_attention", "cross_modal_hidden_dim", "cross_modal_num_heads"),
            ("use_fine_grained_attention", "fine_grained_hidden_dim", "fine_grained_num_heads"),
        ):
            if getattr(self, switch) and getattr(self, width) % getattr(self, heads):
                msg = f"{width} ({getattr(self, width)}) is not divisible by {heads} ({getattr(self, heads)})"
                raise ValueError(msg)
        return self

    @property
    def fusion_layers(self) -> tuple[int, ...]:
        """Layers that really carry middle fusion, ascending (empty without text or middle fusion).

        ALIGNN layers are counted first, then GCN layers: with four ALIGNN layers, 5 is the second GCN layer.
        """
        if not (self.use_text and self.use_middle_fusion):
            return ()
        return (*self.middle_fusion_layers, *(self.alignn_layers + layer for layer in self.middle_fusion_gcn_layers))

    @property
    def n_layers(self) -> int:
        """ALIGNN and GCN layers together."""
        return self.alignn_layers + self.gcn_layers

    @property
    def has_importance(self) -> bool:
        """Whether atoms get an importance (dynamic gating of the improved module)."""
        return bool(self.fusion_layers) and self.use_improved_middle_fusion and self.middle_fusion_use_dynamic_gating
