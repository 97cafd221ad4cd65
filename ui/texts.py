"""The words of the page, in one place, so that they can be read as a whole and stay consistent."""

from __future__ import annotations

TITLE = "hsegap"
PAGE_TITLE = "hsegap: HSE06 band gaps"
TAGLINE = "HSE06 band gap of a crystal, from its structure and a description, in milliseconds"

STRUCTURE_LABEL = "Structure"
STRUCTURE_PLACEHOLDER = "Paste a CIF, POSCAR, extended XYZ, pymatgen JSON or JARVIS JSON here, or drop a file above."
DESCRIPTION_LABEL = "Description (optional)"
DESCRIPTION_PLACEHOLDER = (
    "For example: GaAs is Zincblende, Sphalerite structured and crystallizes in the cubic F-43m space group."
)
DESCRIPTION_INFO = (
    "Best in robocrystallographer's wording, which the model was trained on. Left empty, the structure alone is used."
)

FORMATS = [
    ("Recognise", "auto"),
    ("CIF", "cif"),
    ("POSCAR", "poscar"),
    ("XYZ (extended)", "xyz"),
    ("pymatgen JSON", "pymatgen"),
    ("JARVIS JSON", "jarvis"),
]

PREDICT = "Predict gap"
PREDICT_WITHOUT = "Without text"
DESCRIBE = "Describe this crystal"
CANCEL = "Cancel"

EMPTY_ANSWER = (
    "Choose an example, drop a file or paste a structure: its gap, its place among known materials and "
    "its maps appear here."
)
WEIGHTS = "weight in the last fusion"
NO_INTERVAL = "No interval: this model has not been calibrated yet."
HINT_EDGE = "Absorption edge"
HINT_EDGE_TITLE = (
    "The wavelength whose photons carry the energy of the gap. Excitons and indirect gaps shift the real edge."
)

DESCRIBE_NEEDS_STRUCTURE = "Give a structure first."
DESCRIBE_CANCELLED = "Cancelled. The description box was left as it was."
DESCRIBE_SLOW = "the first description loads the generator, 15 s or more"

KINDS = {
    "metal": ("metal", "predicted gap too small to tell from none; the Model tab names the threshold"),
    "semiconductor": ("semiconductor", "predicted gap between the metals' threshold and 4 eV"),
    "insulator": ("insulator", "predicted gap of 4 eV or more"),
}

ORIGINS = {
    "given": "structure and the given description",
    "generated": "structure and a generated description",
    "none": "structure alone",
}

STAGES = (("read", "read"), ("graph", "graph"), ("describe", "description"), ("text", "text"), ("network", "network"))

BATCH_INTRO = (
    "Drop structure files or a zip of them. Each gets its own answer or its own reason for failing; "
    "one broken file never costs the others. Files are read and predicted; uploads are deleted after ten minutes."
)

#: Beside what was read from a file.
READ_TITLE = (
    "The space group is found from the atoms, whatever the file says. If this is not your crystal, the "
    "gap is not either."
)
