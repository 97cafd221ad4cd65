"""Conversions to and from DGL: single, batched, saved, and what jarvis-tools makes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsegap.structures import build_graph
from hsegap.training.errors import DataError
from support.needs import needed_dgl
from support.networks import some_crystals, some_graphs

dgl = needed_dgl()

from hsegap.training.dgl import batch_to_dgl, from_dgl, to_dgl, unbatch_dgl  # noqa: E402 - after the check that DGL is there
from hsegap.training.saved_graphs import SavedGraphs, save_graphs, saved_folder  # noqa: E402 - as above

NAMES = ("atomic_numbers", "src", "dst", "r", "line_src", "line_dst")


def same(one, other):
    for name in NAMES:
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype, name
        np.testing.assert_array_equal(first, second, err_msg=name)


@pytest.mark.parametrize("flavour", ["symmetric", "jarvis"])
def test_there_and_back(flavour):
    for graph in some_graphs(flavour=flavour):
        atoms, lines = to_dgl(graph)
        same(from_dgl(atoms, lines), sorted_graph(graph))
        same(from_dgl(atoms, keep_self_pairs=flavour == "symmetric"), sorted_graph(graph))


def sorted_graph(graph):
    """In the order conversions give: by destination,
    then source (which is that of build_graph but for parallel bonds).
    """
    assert np.all(np.lexsort((graph.src, graph.dst)) == np.arange(len(graph.src)))
    order = np.lexsort((graph.line_src, graph.line_dst))
    from dataclasses import replace

    return replace(graph, line_src=graph.line_src[order], line_dst=graph.line_dst[order])


def test_batches_there_and_back():
    graphs = some_graphs()
    atoms, lines = batch_to_dgl(graphs)
    assert atoms.batch_size == lines.batch_size == len(graphs)
    for one, other in zip(unbatch_dgl(atoms, lines), graphs, strict=True):
        same(one, sorted_graph(other))
    for one, other in zip(unbatch_dgl(atoms, keep_self_pairs=True), graphs, strict=True):
        same(one, sorted_graph(other))


def test_shuffled_edges_make_the_same_graph():
    graph = some_graphs(flavour="jarvis")[4]
    atoms, lines = to_dgl(graph)
    order = torch.randperm(atoms.num_edges(), generator=torch.Generator().manual_seed(0))
    source, target = atoms.edges()
    shuffled = dgl.graph((source[order], target[order]), num_nodes=atoms.num_nodes())
    shuffled.ndata["atomic_number"], shuffled.edata["r"] = atoms.ndata["atomic_number"], atoms.edata["r"][order]
    back = from_dgl(shuffled, shuffled.line_graph())
    assert sorted(zip(back.src, back.dst, map(tuple, back.r.tolist()), strict=True)) == sorted(
        zip(graph.src, graph.dst, map(tuple, graph.r.tolist()), strict=True)
    )
    assert np.all(np.diff(back.dst) >= 0)
    assert np.all(np.diff(back.line_dst) >= 0)
    assert np.array_equal(back.dst[back.line_src], back.src[back.line_dst])
    assert len(back.line_src) == lines.num_edges()


def test_atomic_numbers_from_what_pipelines_store():
    graph = some_graphs()[3]
    atoms, lines = to_dgl(graph)
    del atoms.ndata["atomic_number"]
    assert from_dgl(atoms, lines).atomic_numbers.tolist() == [56, 22, 8, 8, 8]
    atoms.ndata["atom_features"] = torch.tensor([[56.0], [22.0], [8.0], [8.0], [8.0]])
    assert from_dgl(atoms, lines).atomic_numbers.tolist() == [56, 22, 8, 8, 8]
    atoms.ndata["atom_features"] = torch.zeros(5, 92)
    with pytest.raises(ValueError, match="not CGCNN"):
        from_dgl(atoms, lines)
    del atoms.ndata["atom_features"]
    with pytest.raises(ValueError, match="neither atomic numbers"):
        from_dgl(atoms, lines)


def test_what_does_not_belong_together_is_refused():
    graphs = some_graphs()
    atoms, _ = to_dgl(graphs[0])
    _, lines = to_dgl(graphs[1])
    with pytest.raises(ValueError, match="do not belong together"):
        from_dgl(atoms, lines)
    del atoms.edata["r"]
    with pytest.raises(ValueError, match="no edge data 'r'"):
        from_dgl(atoms)


def test_what_jarvis_tools_gives_is_read_as_it_is():
    from jarvis.core.atoms import Atoms
    from jarvis.core.graphs import Graph

    for crystal in some_crystals()[1:]:
        theirs = Atoms(
            lattice_mat=crystal.lattice, coords=crystal.frac_coords, elements=crystal.symbols, cartesian=False
        )
        atoms, lines = Graph.atom_dgl_multigraph(theirs, cutoff=8.0, max_neighbors=12, atom_features="cgcnn")
        graph = from_dgl(atoms, lines)
        assert graph.atomic_numbers.tolist() == crystal.atomic_numbers.tolist()
        assert (len(graph.src), len(graph.line_src)) == (atoms.num_edges(), lines.num_edges())
        ours = build_graph(crystal, flavour="jarvis")
        assert (len(ours.src), len(ours.line_src)) == (len(graph.src), len(graph.line_src))
        np.testing.assert_allclose(
            np.sort(np.linalg.norm(ours.r, axis=1)), np.sort(np.linalg.norm(graph.r, axis=1)), atol=1e-5
        )


@pytest.mark.parametrize("flavour", ["symmetric", "jarvis"])
def test_saved_graphs_come_back(tmp_path, flavour):
    graphs = {f"crystal-{index}": graph for index, graph in enumerate(some_graphs(flavour=flavour))}
    folder = save_graphs(tmp_path / "saved", graphs, flavour=flavour)
    saved = SavedGraphs.open(folder, flavour=flavour)
    assert list(saved.by_id) == list(graphs)
    for name in reversed(graphs):
        same(saved.by_id[name].read(), sorted_graph(graphs[name]))
    other = {"symmetric": "jarvis", "jarvis": "symmetric"}[flavour]
    with pytest.raises(DataError, match=f"--graph_flavour {flavour}"):
        SavedGraphs.open(folder, flavour=other)


def test_one_file_per_crystal_with_and_without_its_line_graph(tmp_path):
    graphs = some_graphs(flavour="jarvis")
    for index, graph in enumerate(graphs):
        atoms, lines = to_dgl(graph)
        dgl.save_graphs(str(tmp_path / f"c{index}.bin"), [atoms, lines] if index % 2 else [atoms])
    saved = SavedGraphs.open(tmp_path, flavour="jarvis")
    assert saved.settings == {}
    for index, graph in enumerate(graphs):
        same(saved.by_id[f"c{index}"].read(), sorted_graph(graph))


def test_folders_without_graphs_and_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        saved_folder(tmp_path / "nowhere", "jarvis", "gap")
    with pytest.raises(DataError, match="no saved graphs"):
        saved_folder(tmp_path, "jarvis", "gap")
    with pytest.raises(DataError, match=r"expected graphs\.bin"):
        SavedGraphs.open(tmp_path, flavour="jarvis")
    nested = tmp_path / "jarvis" / "gap"
    nested.mkdir(parents=True)
    (nested / "a.bin").write_bytes(b"nonsense")
    assert saved_folder(tmp_path, "jarvis", "gap") == nested
    with pytest.raises(ValueError, match=r"a\.bin"):
        SavedGraphs.open(nested, flavour="jarvis").by_id["a"].read()
    (tmp_path / "graphs.bin").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"needs graphs\.json"):
        SavedGraphs.open(tmp_path, flavour="jarvis")
