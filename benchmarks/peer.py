"""The other libraries, each step timed on request.

Runs in the peers' environment, which benchmarks/run.py makes; knows nothing of hsegap.

A line of JSON in, a line of JSON out: {"do": step, ...} gives {"seconds": wall, "answer": what came out}. Steps that
need something prepared (a model, a batch) keep it between calls, and preparing is not timed.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import time
import warnings
from typing import Any

os.environ["DGLBACKEND"] = "pytorch"
warnings.filterwarnings("ignore")


def dgl() -> Any:
    """DGL 1.1.3, which looks for a module that setuptools no longer has."""
    import packaging
    import packaging.version

    sys.modules.setdefault("setuptools.extern", packaging)
    sys.modules.setdefault("setuptools.extern.packaging", packaging)
    import dgl as module

    return module


#: Processor seconds of the last timed call, all threads.
spent = {"cpu": 0.0}


def timed(function: Any) -> tuple[float, Any]:
    started, cpu = time.perf_counter(), time.process_time()
    answer = function()
    spent["cpu"] = time.process_time() - cpu
    return time.perf_counter() - started, answer


def atoms_of(path: str) -> Any:
    from jarvis.core.atoms import Atoms

    return Atoms.from_cif(path, use_cif2cell=False, get_primitive_atoms=False)


def read(job: dict[str, Any]) -> tuple[float, Any]:
    seconds, atoms = timed(lambda: atoms_of(job["path"]))
    return seconds, atoms.num_atoms


def jarvis_graph(atoms: Any) -> Any:
    dgl()
    from jarvis.core.graphs import Graph

    return Graph.atom_dgl_multigraph(
        atoms, cutoff=8.0, max_neighbors=12, atom_features="cgcnn", compute_line_graph=True
    )


def torch_graph(atoms: Any) -> Any:
    from alignn.torch_graph_builder import build_pure_torch_graph

    return build_pure_torch_graph(
        atoms=atoms, two_body_cutoff=8.0, max_neighbors=12, atom_features="cgcnn", compute_line_graph=True
    )


def graph(job: dict[str, Any]) -> tuple[float, Any]:
    """Graph and line graph of the same atoms; jarvis-tools' builder, or alignn's newer one without DGL."""
    atoms = _atoms(job["path"], job["numbers"])
    build = {"jarvis": jarvis_graph, "alignn": torch_graph}[job["builder"]]
    seconds, (built, line) = timed(lambda: build(atoms))
    edges = built.num_edges if isinstance(built.num_edges, int) else built.num_edges()
    return seconds, [int(edges), int(line.num_edges if isinstance(line.num_edges, int) else line.num_edges())]


@functools.lru_cache(maxsize=8)
def _atoms(path: str, numbers: str) -> Any:
    """Atoms from arrays, not from a file, so that every builder sees the same crystal."""
    import numpy as np
    from jarvis.core.atoms import Atoms

    del numbers
    data = np.load(path)
    return Atoms(
        lattice_mat=data["lattice"], coords=data["frac_coords"], elements=list(data["symbols"]), cartesian=False
    )


def describe(job: dict[str, Any]) -> tuple[float, Any]:
    """Robocrystallographer as its own command line goes about it."""
    from pymatgen.core import Structure
    from robocrys import StructureCondenser, StructureDescriber

    structure = Structure.from_file(job["path"])

    def whole() -> str:
        with contextlib.suppress(ValueError):
            structure.add_oxidation_state_by_guess(max_sites=-80)
        return StructureDescriber().describe(StructureCondenser().condense_structure(structure))

    return timed(whole)


@functools.lru_cache(maxsize=4)
def model(kind: str, weights: str) -> Any:
    """ALIGNN 256 wide with 4 + 4 layers.

    The DGL form, with the weights of the network it is compared with, or the form without DGL.
    """
    import numpy as np
    import torch

    size = {
        "alignn_layers": 4,
        "gcn_layers": 4,
        "hidden_features": 256,
        "embedding_features": 64,
        "atom_input_features": 92,
    }
    torch.manual_seed(0)
    if kind == "dgl":
        dgl()
        from alignn.models.alignn import ALIGNN, ALIGNNConfig

        made = ALIGNN(ALIGNNConfig(name="alignn", **size)).eval()
        if weights:
            state = {name: torch.from_numpy(np.asarray(value)) for name, value in np.load(weights).items()}
            missing = made.load_state_dict(state, strict=False).missing_keys
            if [name for name in missing if not name.endswith("centers")]:
                sys.exit(f"weights that ALIGNN misses: {missing}")
        return made
    from alignn.models.alignn_atomwise_pure import ALIGNNAtomWisePure, ALIGNNAtomWisePureConfig

    return ALIGNNAtomWisePure(
        ALIGNNAtomWisePureConfig(name="alignn_atomwise_pure", calculate_gradient=False, use_penalty=False, **size)
    ).eval()


@functools.lru_cache(maxsize=8)
def batch(kind: str, path: str) -> Any:
    """The joined graphs of a file, as the model of that kind takes them."""
    import numpy as np
    import torch

    data = {name: torch.from_numpy(value) for name, value in np.load(path).items()}
    n_atoms, n_bonds, r = data["n_atoms"], data["n_bonds"], data["r"]
    src, dst, line_src, line_dst = (data[name] for name in ("src", "dst", "line_src", "line_dst"))
    unit = r / r.norm(dim=1, keepdim=True)
    cosine = (-(unit[line_src] * unit[line_dst]).sum(dim=1)).clamp(-1, 1)
    if kind == "dgl":
        made = dgl().graph((src, dst), num_nodes=int(n_atoms.sum()))
        made.ndata["atom_features"], made.edata["r"] = data["features"], r
        made.set_batch_num_nodes(n_atoms)
        made.set_batch_num_edges(n_bonds)
        line = dgl().graph((line_src, line_dst), num_nodes=len(src))
        line.edata["h"] = cosine
        return made, line, None
    from alignn.torch_graph_builder import TorchGraph

    made = TorchGraph(int(n_atoms.sum()), src, dst, {"atom_features": data["features"]}, {"r": r}, n_atoms, n_bonds)
    return made, TorchGraph(len(src), line_src, line_dst, {}, {"h": cosine}, n_bonds, None), None


def network(job: dict[str, Any]) -> tuple[float, Any]:
    import torch

    torch.set_num_threads(job["threads"])
    ready, inputs = model(job["kind"], job["weights"]), batch(job["kind"], job["path"])
    with torch.no_grad():
        seconds, answer = timed(lambda: ready(inputs))
    answer = answer["out"] if isinstance(answer, dict) else answer
    return seconds, answer.reshape(-1).tolist()


def end(job: dict[str, Any]) -> tuple[float, Any]:
    """From the file to the number, with a loaded model."""
    import torch

    torch.set_num_threads(job["threads"])
    ready = model(job["kind"], "")
    build = jarvis_graph if job["kind"] == "dgl" else torch_graph

    def whole() -> Any:
        atoms = atoms_of(job["path"])
        built, line = build(atoms)
        with torch.no_grad():
            return ready((built, line, torch.tensor(atoms.lattice_mat)))

    seconds, answer = timed(whole)
    return seconds, (answer["out"] if isinstance(answer, dict) else answer).reshape(-1).tolist()


def main() -> None:
    steps = {step.__name__: step for step in (read, graph, describe, network, end)}
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the libraries print is no answer
    for line in sys.stdin:
        job = json.loads(line)
        try:
            seconds, answer = steps[job["do"]](job)
            reply = {"seconds": seconds, "cpu": spent["cpu"], "answer": answer}
        except Exception as error:  # told to the benchmark, which goes on with what works
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply, default=str) + "\n")


if __name__ == "__main__":
    main()
