"""Our convolutions and the whole network against DGL's message passing,
with random weights and batches of different sizes.
"""

from __future__ import annotations

import pytest
import torch

from hsegap.models import collate
from support.needs import needed_dgl
from support.networks import FULL_MIDDLE, random_network, some_graphs

needed_dgl()

from hsegap.models.network import _angle_cosine  # noqa: E402 - after the check that DGL is there
from hsegap.training.dgl import batch_to_dgl  # noqa: E402 - as above
from support.dgl_network import Weights, add_angles, edge_gated, whole_network  # noqa: E402 - as above

pytestmark = pytest.mark.usefixtures("one_thread")
BATCHES = ([0], [3], [4, 1], [0, 1, 2, 3, 4], [4, 0, 0, 3, 2, 1, 4, 3])


def double(network, batch):
    return network.double(), batch._replace(r=batch.r.double())


@pytest.mark.parametrize("flavour", ["symmetric", "jarvis"])
@pytest.mark.parametrize("which", BATCHES, ids=str)
@pytest.mark.parametrize("planned", [False, True])
def test_edge_gated_convolution(flavour, which, planned):
    """On the crystal graph and on the line graph; random statistics, so that a forgotten one shows."""
    graphs = [some_graphs(flavour=flavour)[index] for index in which]
    network, batch = double(random_network(use_text=False), collate(graphs, for_training=planned))
    atom_graph, line_graph = batch_to_dgl(graphs)
    edges, line_edges = batch.edges()
    random = torch.Generator().manual_seed(len(which))
    weights = Weights(network.state_dict())
    for name, graph, ours in (
        ("alignn_layers.0.node_update", atom_graph, edges),
        ("alignn_layers.1.edge_update", line_graph, line_edges),
        ("gcn_layers.1", atom_graph, edges),
    ):
        nodes = torch.randn(graph.num_nodes(), 12, generator=random, dtype=torch.float64)
        features = torch.randn(graph.num_edges(), 12, generator=random, dtype=torch.float64)
        with torch.no_grad():
            got = network.get_submodule(name)(nodes, features, ours)
            wanted = edge_gated(weights, name, graph, nodes, features)
        for one, other in zip(got, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-9)


def test_statistics_of_the_random_network_are_not_zero_and_one():
    state = random_network(use_text=False).state_dict()
    means = [value for name, value in state.items() if name.endswith("running_mean")]
    variances = [value for name, value in state.items() if name.endswith("running_var")]
    assert len(means) == len(variances) > 0
    assert all(value.abs().max() > 0.1 for value in means)
    assert all((value - 1).abs().max() > 0.1 for value in variances)


@pytest.mark.parametrize("flavour", ["symmetric", "jarvis"])
def test_bond_angles(flavour):
    graphs = some_graphs(flavour=flavour)
    batch = collate(graphs)
    _, lines = batch_to_dgl(graphs)
    r = batch.r.double()
    wanted = add_angles(lines, r)
    torch.testing.assert_close(_angle_cosine(r, batch.line_src, batch.line_dst), wanted, atol=1e-12, rtol=0)
    torch.testing.assert_close(lines.edata["h"].double(), wanted, atol=1e-6, rtol=0)


CONFIGURATIONS = {
    "graph only": {"use_text": False},
    "recommended": {"late_fusion_type": "gated", **FULL_MIDDLE},
    "two fusion layers": {"late_fusion_type": "gated", "middle_fusion_layers": "0,2", **FULL_MIDDLE},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("which", BATCHES, ids=str)
def test_the_whole_network_layer_by_layer(name, which):
    graphs = [some_graphs(flavour="jarvis")[index] for index in which]
    network, batch = double(random_network(graph_flavour="jarvis", **CONFIGURATIONS[name]), collate(graphs))
    config = network.config
    text = torch.randn(
        len(which), config.text_features, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    seen = {}
    for layer, module in enumerate(network.alignn_layers):
        module.register_forward_hook(
            lambda _m, _i, out, layer=layer: seen.update({f"alignn {layer}": out[0], f"bonds {layer}": out[1]})
        )
    for layer in config.fusion_layers:
        network.middle_fusion_modules[f"layer_{layer}"].register_forward_hook(
            lambda _m, _i, out, layer=layer: seen.update({f"alignn {layer}": out.atoms})
        )
    for layer, module in enumerate(network.gcn_layers):
        module.register_forward_hook(lambda _m, _i, out, layer=layer: seen.update({f"gcn {layer}": out[0]}))
    with torch.no_grad():
        output = network(batch, text[:, None] if config.use_text else None)
        gap, layers = whole_network(network.state_dict(), config, *batch_to_dgl(graphs), text)
    assert seen.keys() | {"pooled"} == layers.keys()
    for layer, value in seen.items():
        torch.testing.assert_close(value, layers[layer], atol=1e-10, rtol=1e-8, msg=layer)
    torch.testing.assert_close(output.graph_embedding, layers["pooled"], atol=1e-10, rtol=1e-8)
    torch.testing.assert_close(output.gap, gap, atol=1e-7, rtol=0)  # ours keeps 1e-8 in the sum of the gates


@pytest.mark.shared_data
def test_the_oracle_gives_the_published_outputs_too(published):
    """The published network itself, through the oracle: it is the same network that the tests above compare with."""
    from hsegap.models import load_checkpoint

    network = load_checkpoint(published.checkpoint("recommended"))
    with torch.no_grad():
        gap, _ = whole_network(
            network.state_dict(),
            network.config,
            *batch_to_dgl(published.graphs),
            torch.from_numpy(published.tokens[:, 0]),
        )
    torch.testing.assert_close(gap, torch.tensor(published.answers("recommended")["gap"]), atol=1e-5, rtol=0)
