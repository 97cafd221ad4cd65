"""The shapes that travel: one request, one prediction, and their batches.

The same names in JSON, CSV columns and on the page.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_serializer,
)

from hsegap.formats import StructureFormat  # noqa: TC001 - pydantic reads the annotations
from hsegap.prediction.errors import Failure
from hsegap.prediction.limits import MAX_DESCRIPTION_CHARS, MAX_ITEMS, MAX_STRUCTURE_CHARS
from hsegap.text.stated import MAX_GAP_EV

#: A gap below this is reported as a metal before an artifact is calibrated; calibration chooses a threshold on
#: validation rows. A semilocal or hybrid calculation on a finite k-mesh resolves no smaller gap.
METAL_BELOW_EV = 0.1
#: A gap of this or more is reported as an insulator: beyond the ultraviolet-emitting semiconductors (GaN 3.4, ZnO 3.4
#: eV).
INSULATOR_FROM_EV = 4.0

Kind = Literal["metal", "semiconductor", "insulator"]


def kind_of(gap_ev: float, *, metal_below_ev: float = METAL_BELOW_EV) -> Kind:
    """Name the kind of material by its gap: metal below a threshold, insulator from 4 eV on, semiconductor between."""
    if gap_ev < metal_below_ev:
        return "metal"
    return "insulator" if gap_ev >= INSULATOR_FROM_EV else "semiconductor"


class _Strict(BaseModel):
    """Unknown fields are refused and nothing is coerced: a misspelt option must not be ignored silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Known(_Strict):
    """What is known of a crystal beside its structure.

    A fact stated here counts before the same fact in the description.
    """

    pbe_gap_ev: float | None = Field(
        default=None,
        ge=0,
        le=MAX_GAP_EV,
        allow_inf_nan=False,
        description="Band gap in eV by PBE or a functional like it (GGA), not by PBE+U, LDA, a meta-GGA or a hybrid; "
        "0 for a metal.",
    )


class PredictRequest(_Strict):
    """One crystal to predict."""

    structure: str = Field(
        max_length=MAX_STRUCTURE_CHARS,
        description="The text of the structure file (not its path, not a URL).",
    )
    format: StructureFormat | None = Field(
        default=None, description="Format of `structure`; null recognises it from the text."
    )
    description: str | None = Field(
        default=None,
        max_length=MAX_DESCRIPTION_CHARS,
        description="A description of the crystal in robocrystallographer's wording; "
        "null predicts without text (unless `describe`).",
    )
    describe: bool = Field(default=False, description="Generate a description (seconds) when none is given.")
    known: Known | None = Field(default=None, description="What is known beside the structure, such as the PBE gap.")
    atoms: bool = Field(default=True, description="Report the per-atom maps.")
    explain: bool = Field(
        default=False,
        description="Report the effect of each sentence of the description, found by leaving it out (an encoder "
        "and a network run each).",
    )
    sensitivity: bool = Field(
        default=False, description="Report the gap with the lattice 1 % smaller and 1 % larger (two more network runs)."
    )


class DescribeRequest(_Strict):
    """One crystal to describe."""

    structure: str = Field(
        max_length=MAX_STRUCTURE_CHARS, description="The text of the structure file (not its path, not a URL)."
    )
    format: StructureFormat | None = Field(
        default=None, description="Format of `structure`; null recognises it from the text."
    )


class Description(BaseModel):
    """The text a prediction used and where it came from."""

    text: str | None = Field(
        description="The description before normalisation, sentences that state facts included (they are not "
        "encoded); null without text."
    )
    origin: Literal["given", "generated", "none"]


class ModalityWeights(BaseModel):
    """How much graph and text weigh in the late fusion, as the network reports it."""

    graph: float
    text: float


class AtomReport(BaseModel):
    """One atom and how it listened to the text, per fusion layer."""

    index: int = Field(ge=0, description="Place of the atom in the input, from 0.")
    element: str
    frac_coords: list[float] = Field(min_length=3, max_length=3, description="Fractional coordinates as read.")
    gate: dict[str, float] = Field(description='Mean gate over channels, per fusion layer: {"layer_2": value}.')
    importance: dict[str, float] = Field(description="Atom importance per fusion layer; empty without dynamic gating.")
    text_share: dict[str, float | None] = Field(
        description="Share of text and known facts in the fused vector per layer; null where neither was given."
    )
    contribution_ev: float | None = Field(
        default=None,
        description="What the atom adds to the gap, eV: all atoms' sum to `gap_raw_ev` minus `reference_ev`; null "
        "where `absent` says why.",
    )
    told_effect_ev: float | None = Field(
        default=None,
        description="Contribution minus that from the structure alone, eV; all atoms' sum to `told_effect_ev`. Null "
        "where neither text nor facts are given.",
    )
    text_effect_ev: float | None = Field(
        default=None,
        description="Contribution minus that without the text (known facts kept), eV; all atoms' sum to "
        "`text_effect_ev`. Null without text.",
    )


class SentenceReport(BaseModel):
    """One sentence of the description and what it did."""

    span: tuple[int, int] = Field(description="First character and end in `description.text`.")
    effect_ev: float | None = Field(
        description="The answer minus the one without this sentence, eV (`gap_raw_ev`); null for sentences beyond "
        "the first 40 that are encoded."
    )


class NeighbourReport(BaseModel):
    """A training crystal that lies near, by the network's own embedding."""

    id: str = Field(description="Materials Project id.")
    formula: str
    space_group: int | None = Field(description="Number in the International Tables.")
    hse_gap_ev: float = Field(description="Known HSE06 gap, eV: what the network was trained on.")
    pbe_gap_ev: float | None = Field(description="Known PBE gap, eV.")
    distance: float = Field(
        ge=0,
        description="Root mean square difference of the whitened embeddings: about 1.4 between two training "
        "crystals drawn at random.",
    )


class FactReport(BaseModel):
    """A band gap that the request or the description states, and what became of it."""

    name: str = Field(
        description="pbe_gap_ev, hse_gap_ev, experimental_gap_ev or other_gap_ev (by no method named, or by another)."
    )
    value: float | None = Field(description="In `unit`; null where the sentence states none.")
    unit: str
    origin: Literal["text", "request"]
    span: tuple[int, int] | None = Field(
        description="First character and end of its sentence in the description; null in the request."
    )
    used: bool = Field(description="Whether the network was given it.")
    effect_ev: float | None = Field(
        description="By how much it moved the gap (`gap_raw_ev`), eV; null where it is not used."
    )
    reason: str | None = Field(description="Why it is not used; null where it is.")


class Warn(BaseModel):
    """Something the reader of a prediction should know; the prediction stands all the same."""

    code: str
    message: str


class ModelName(BaseModel):
    """Which artifact answered."""

    name: str
    version: str
    sha256: str = Field(description="SHA-256 of the artifact's manifest, which in turn names the SHA-256 of each file.")


class Timings(BaseModel):
    """Milliseconds per stage; 0 for a stage that did not run.

    The total holds the waiting between the stages as well.
    """

    read: float = 0.0
    graph: float = 0.0
    describe: float = 0.0
    text: float = 0.0
    network: float = 0.0
    total: float = 0.0


class Prediction(BaseModel):
    """The answer for one crystal."""

    id: str | None = Field(
        default=None, description="Name of the input where it has one (a file, a row); absent over HTTP."
    )
    index: int = Field(default=0, ge=0, description="Place in the request, from 0.")
    formula: str = Field(description="Reduced formula.")
    n_atoms: int = Field(ge=1, description="Atoms in the cell given.")
    gap_ev: float = Field(ge=0, description="Predicted HSE06 band gap, eV; never below 0.")
    gap_raw_ev: float = Field(description="The network's own number, eV; may lie below 0.")
    gap_without_text_ev: float = Field(
        ge=0, description="The gap predicted from the structure alone, without text and known facts, eV."
    )
    pbe_gap_estimate_ev: float | None = Field(
        default=None,
        ge=0,
        description="PBE gap that the network estimates from the structure alone, eV; null where it makes no estimate.",
    )
    reference_ev: float | None = Field(
        default=None,
        description="What the contributions are counted from: the network's gap of the mean training crystal from "
        "its structure alone, eV.",
    )
    shared_ev: float | None = Field(
        default=None,
        description="Part of the contributions that belongs to no atom (text and facts in late fusion, a stated "
        "PBE gap), shared equally, eV.",
    )
    told_effect_ev: float | None = Field(
        default=None,
        description="`gap_raw_ev` minus the network's number from the structure alone, eV; null where neither text nor "
        "facts are given.",
    )
    text_effect_ev: float | None = Field(
        default=None,
        description="`gap_raw_ev` minus the network's number without the text, known facts kept, eV; null without "
        "text.",
    )
    sentences: list[SentenceReport] | None = Field(
        default=None, description="Effect of each sentence of the description; null unless `explain` asks for it."
    )
    sensitivity_ev: tuple[float, float] | None = Field(
        default=None,
        description="Gap with the lattice 1 % smaller and 1 % larger, all else unchanged, eV; null unless "
        "`sensitivity` asks for it.",
    )
    neighbours: list[NeighbourReport] | None = Field(
        default=None, description="The five nearest training crystals, nearest first; null where `absent` says why."
    )
    absent: dict[str, str] = Field(
        default_factory=dict, description="Fields that this artifact cannot fill, with the reason."
    )
    interval_ev: tuple[float, float] | None = Field(
        description="Split-conformal interval, eV; null before the artifact is calibrated."
    )
    coverage: float | None = Field(
        description="Share of crystals whose true gap the interval is built to contain; null without an interval."
    )
    kind: Kind = Field(
        description="metal below the threshold of `kinds` in `GET /model`, insulator from 4 eV on, semiconductor "
        "between."
    )
    description: Description
    facts: list[FactReport] = Field(
        default_factory=list, description="Facts stated in the request and in the description."
    )
    modality_weights: ModalityWeights
    atoms: list[AtomReport] | None = Field(description="Per-atom maps in input order; null when not asked for.")
    warnings: list[Warn]
    model: ModelName
    timings_ms: Timings
    # Not part of the answer: what the page draws without reading the structure a second time.
    _lattice: list[list[float]] | None = PrivateAttr(default=None)
    _n_edges: int | None = PrivateAttr(default=None)

    @property
    def lattice(self) -> list[list[float]] | None:
        """Lattice vectors as rows, Å, as read; None for a prediction that came as JSON. Never serialised."""
        return self._lattice

    @property
    def n_edges(self) -> int | None:
        """Edges of the crystal graph; None for a prediction that came as JSON. Never serialised."""
        return self._n_edges

    def with_graph(self, lattice: list[list[float]], *, n_edges: int) -> Self:
        """The same object, knowing its cell and the size of its graph."""
        self._lattice, self._n_edges = lattice, n_edges
        return self

    @model_serializer(mode="wrap")
    def _without_absent_id(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        if data.get("id") is None:
            data.pop("id", None)
        return data


class GeneratedDescription(BaseModel):
    """The answer of ``/describe``."""

    description: Description
    formula: str
    n_atoms: int = Field(ge=1)
    warnings: list[Warn]
    timings_ms: Timings


def _keep_invalid_item(value: Any, handler: ValidatorFunctionWrapHandler) -> PredictRequest | Failure:
    """A bad item of a batch becomes its own failure instead of costing its neighbours theirs."""
    try:
        return handler(value)
    except ValidationError as error:
        return Failure.from_validation(error)


BatchItem = Annotated[PredictRequest, WrapValidator(_keep_invalid_item)]


class BatchRequest(_Strict):
    """Many crystals; each is answered on its own, in order."""

    items: list[BatchItem] = Field(min_length=1, max_length=MAX_ITEMS)


class BatchResponse(BaseModel):
    """One result or error per item, in the order given."""

    items: list[Prediction | Failure]


class ModelInfo(BaseModel):
    """What ``GET /model`` tells about the artifact that answers."""

    name: str
    version: str
    sha256: str
    created: str
    units: dict[str, str]
    config: dict[str, Any]
    graph: dict[str, Any]
    text_encoder: dict[str, Any]
    training: dict[str, Any]
    elements: list[str]
    metrics: dict[str, Any]
    calibration: dict[str, Any] | None
    card: str = Field(description="The model card, Markdown; empty where the artifact carries none.")
    limits: dict[str, int] = Field(
        description="Artifact's limits and the server's: atoms, edges, characters, items, bytes."
    )
    kinds: dict[str, float] = Field(description="Thresholds of `kind` in eV: metal_below, insulator_from.")
