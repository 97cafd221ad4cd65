"""Crystals and answers that several tests of the page use."""

from __future__ import annotations

from hsegap.prediction.schemas import (
    AtomReport,
    Description,
    ModalityWeights,
    ModelName,
    Prediction,
    Timings,
    Warn,
    kind_of,
)

#: Scripts for the page: the ends and ticks of the picture's scale of colours, and the curves along the strain.
COLOUR_BAR = """() => { const t = document.querySelector('#hs-maps [data-role=picture]').data[0];
  return [t.cmin, t.cmax, t.colorbar.ticktext]; }"""
STRAIN_CURVE = """() => document.querySelector('#hs-strain [data-role=plot]').data.map((trace) =>
  ({ name: trace.name ?? '', fill: trace.fill ?? '', symbol: trace.marker?.symbol ?? '', x: trace.x, y: trace.y }))"""

SILICON = """data_Si
_symmetry_space_group_name_H-M 'P 1'
_cell_length_a 3.84
_cell_length_b 3.84
_cell_length_c 3.84
_cell_angle_alpha 60
_cell_angle_beta 60
_cell_angle_gamma 60
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Si1 Si 0.0 0.0 0.0
Si2 Si 0.25 0.25 0.25
"""

ROCK_SALT = """data_NaCl
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0.0 0.0 0.0
Cl1 Cl 0.5 0.5 0.5
"""

PEROVSKITE = """data_SrTiO3
_symmetry_space_group_name_H-M 'P 1'
_cell_length_a 3.905
_cell_length_b 3.905
_cell_length_c 3.905
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Sr1 Sr 0.5 0.5 0.5
Ti1 Ti 0.0 0.0 0.0
O1 O 0.5 0.0 0.0
O2 O 0.0 0.5 0.0
O3 O 0.0 0.0 0.5
"""

PARTIAL = (
    SILICON.replace("_atom_site_fract_z\n", "_atom_site_fract_z\n_atom_site_occupancy\n")
    .replace(" 0.0 0.0 0.0\n", " 0.0 0.0 0.0 0.5\n")
    .replace(" 0.25 0.25 0.25\n", " 0.25 0.25 0.25 1.0\n")
)
POSCAR = """GaAs
1.0
0.0 2.8265 2.8265
2.8265 0.0 2.8265
2.8265 2.8265 0.0
Ga As
1 1
Direct
0.0 0.0 0.0
0.25 0.25 0.25
"""
#: What each kind of broken input is answered with, wherever it is sent.
BROKEN = {
    "truncated.cif": (SILICON[: SILICON.index("loop_")], "unreadable_structure"),
    "empty.cif": ("", "unreadable_structure"),
    "binary.cif": ("\x00\x01\x02\x7fELF\x00\x00" * 40, "unreadable_structure"),
    "partial.cif": (PARTIAL, "disordered_structure"),
}
DESCRIPTION = (
    "SrTiO3 is Cubic Perovskite structured and crystallizes in the cubic Pm-3m space group. "
    "Sr is bonded to twelve equivalent O atoms."
)


def atom(
    index: int, element: str, *, gate: float = 0.4, importance: float = 0.5, share: float | None = None
) -> AtomReport:
    return AtomReport(
        index=index,
        element=element,
        frac_coords=[0.1 * index, 0.0, 0.5],
        gate={"layer_1": gate, "layer_2": gate + 0.1},
        importance={"layer_1": importance, "layer_2": importance},
        text_share={"layer_1": share, "layer_2": share},
    )


def prediction(
    *,
    gap: float = 3.2,
    raw: float | None = None,
    interval: tuple[float, float] | None = None,
    atoms: list[AtomReport] | None = None,
    **changes,
) -> Prediction:
    """An answer as the service shapes it."""
    fields = {
        "formula": "TiO2",
        "n_atoms": 3,
        "gap_ev": gap,
        "gap_raw_ev": gap if raw is None else raw,
        "gap_without_text_ev": gap,
        "interval_ev": interval,
        "coverage": 0.9 if interval else None,
        "kind": kind_of(gap),
        "description": Description(text=None, origin="none"),
        "modality_weights": ModalityWeights(graph=0.7, text=0.3),
        "atoms": atoms if atoms is not None else [atom(0, "Ti"), atom(1, "O", gate=0.3), atom(2, "O", gate=0.3)],
        "warnings": [Warn(code="element_not_in_training", message="The training set has no Ti.")],
        "model": ModelName(name="m", version="1", sha256="0" * 64),
        "timings_ms": Timings(read=3.2, graph=1.0, network=5.0, total=9.7),
    }
    return Prediction.model_validate({**fields, **changes})
