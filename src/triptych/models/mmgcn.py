"""MMGCN, of Wei et al., MM 2019."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Generator, Tensor, nn
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.errors import SettingsError, did_you_mean
from triptych.graph.edges import Edges
from triptych.graph.mmgcn_layers import LayerWeights, graph_layers
from triptych.graph.sparse_rows import gather_rows
from triptych.models.building_blocks import bpr, id_penalty, xavier_linear, xavier_table
from triptych.models.decomposition import COLLABORATIVE, USER_FEATURES
from triptych.models.feature_rows import FeatureRows
from triptych.models.model import Batch, TrainedModel
from triptych.models.user_content import UserContent
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, SearchSpace, checked

WIDE = 1024  # columns; without projection, P is as wide as the features, and W_1 is a square matrix of that width


class MMGCN(TrainedModel):
    """MMGCN: one graph network per modality, with ID embeddings that all networks share.

    For every modality m, with preferences P_m of the users and the shared ID embeddings e:

        X ← normalise([P_m ; g(f^m)])                    g: a linear layer to `latent_width`, or the identity
        three layers k = 1, 2, 3:
            h = leaky_relu(mean over neighbours of X W_k)
            x̂ = leaky_relu(S_k X + s_k) + e
            X ← leaky_relu(C_k [h ‖ x̂] + c_k)

        representation = mean over modalities of the last X          s(u, i) = inner product
        loss = BPR + λ (mean square of the batch's ID rows + mean square of P of the first modality)

    e and P are trained like all other parameters. `form = released` computes what a widely used published code does:
    e and P keep their initial values, and only W, S, C and g are trained. Use it to reproduce results of that code.

    With features of users, e_u + Σ_m (V_m f_u^m + c_m) takes the place of e_u, with V and c trained from zero. A user
    without interactions has e_u = 0 and P = 0: the features alone decide about the lists.

    An item without a modality enters the network of that modality as zeros. Any number of modalities will do. Without
    any, the representation is e, which is then trained in both forms.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """MMGCN's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the ID embeddings and of all layers")] = 64
        latent_width: Annotated[int, Interval(ge=1), Doc("width to which wide features are projected first")] = 256
        projected: Annotated[
            str,
            Doc(
                "modalities that are projected to latent_width first, separated by commas; none; or auto: image, as in "
                f"the paper, and all wider than {WIDE:,}"
            ),
        ] = "auto"
        form: Annotated[Literal["paper", "released"], Doc("paper: e and P are trained; released: they are not")] = (
            "paper"
        )
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the penalty")] = 1e-3

    paper = (
        "Y. Wei et al., "
        '"MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation of Micro-video", MM 2019'
    )
    needs_negatives = True
    needs_features = True
    uses_user_features = True
    search: ClassVar[SearchSpace] = {
        "reg_weight": Choices((0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
        "learning_rate": Choices((1e-4, 5e-4, 1e-3, 5e-3, 1e-2)),
    }

    user_degrees: Tensor

    def __init__(self, dataset: Dataset, settings: MMGCN.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        self.n_users = dataset.n_users
        self.edges = Edges(dataset.interactions)
        self.id_embedding = xavier_table(dataset.n_users + dataset.n_items, settings.embedding_size, generator)
        projected = projected_modalities(settings.projected, dataset.features)
        self.modalities = nn.ModuleDict()
        for name, features in dataset.features.items():
            latent = settings.latent_width if name in projected else None
            self.modalities[name] = ModalityNetwork(
                features, dataset.n_users, settings.embedding_size, latent, generator
            )
        of_users = dataset.user_features
        self.content = UserContent(of_users, settings.embedding_size) if of_users else None
        self.register_buffer("user_degrees", torch.from_numpy(dataset.interactions.user_degrees), persistent=False)
        if settings.form == "released" and self.modalities:
            for table in (self.id_embedding, *(network.preference for network in self.modalities.values())):
                assert isinstance(table, Tensor)
                table.requires_grad_(False)

    def ids(self) -> Tensor:
        """Return e of all users and items, with the content of the users: [n_users + n_items, d]."""
        e, n = self.id_embedding, self.n_users
        return e if self.content is None else torch.cat([e[:n] + self.content(), e[n:]])

    def representations(
        self, at: tuple[Tensor, Tensor] | None = None, ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the representations of users and items, and the mean square of P of the first modality.

        ids: the result of `ids()`, if the caller has it. at: the rows of users int64 [n_u] and items int64 [n_i]; None:
        all rows. Shapes: [n_u, d], [n_i, d] and []. The mean square is 0 without modalities.
        """
        e = self.ids() if ids is None else ids
        if not self.modalities:
            users, items = e[: self.n_users], e[self.n_users :]
            if at is not None:
                users, items = gather_rows(users, at[0]), gather_rows(items, at[1])
            return users, items, e.new_zeros(())
        outputs = [modality(self.edges, e, at) for modality in self.modalities.values()]
        users, items, mean_squares = (torch.stack(list(tensors)) for tensors in zip(*outputs, strict=True))
        return users.mean(dim=0), items.mean(dim=0), mean_squares[0]

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        u, i, j = batch.users, batch.positives, batch.negatives
        assert j is not None
        e = self.ids()
        x_u, x_items, mean_square = self.representations((u, torch.cat([i, j])), e)
        x_i, x_j = x_items.chunk(2)
        penalty = id_penalty(e, self.n_users, u, i, j) + mean_square
        return {
            "bpr": bpr((x_u * x_i).sum(-1), (x_u * x_j).sum(-1), weights=batch.weights),
            "penalty": self.settings.reg_weight * penalty,
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        users, items, _ = self.representations()
        return Factors(users.detach(), items.detach())  # detached: without modalities they are rows of a parameter

    @torch.no_grad()
    def user_content(self) -> dict[str, Tensor]:
        """See TrainedModel. Only the representation of a user without interactions comes from features alone."""
        if self.content is None:
            return {}
        if not self.modalities:
            return self.content.parts()
        return {USER_FEATURES: self.factors().users * (self.user_degrees == 0)[:, None]}

    @torch.no_grad()
    def embed_cold_users(self, cold: Tensor) -> None:
        """Set e and P of users without interactions to zero, so that only content counts."""
        super().embed_cold_users(cold)
        for network in self.modalities.values():
            assert isinstance(network.preference, Tensor)
            network.preference[cold] = 0

    @torch.no_grad()
    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """See TrainedModel. The components are the networks of the modalities, as the representation is their mean."""
        n, e = len(self.modalities), self.ids()
        if not n:
            return {COLLABORATIVE: e[self.n_users :][items]}
        return {name: network(self.edges, e, None)[1][items] / n for name, network in self.modalities.items()}


class ModalityNetwork(nn.Module):
    """The graph network of one modality."""

    def __init__(
        self, features: Features, n_users: int, embedding_size: int, latent: int | None, generator: Generator
    ) -> None:
        super().__init__()
        self.rows = FeatureRows(features)
        self.projection: nn.Linear | None = xavier_linear(features.width, latent, generator) if latent else None
        width = latent or features.width
        self.preference = xavier_table(n_users, width, generator)
        self.layers = []
        for layer in (1, 2, 3):
            aggregate = nn.ParameterDict({"weight": xavier_table(width, width, generator)})
            self_loop = xavier_linear(width, embedding_size, generator)
            combine = xavier_linear(width + embedding_size, embedding_size, generator)
            for name, module in (("aggregate", aggregate), ("self", self_loop), ("combine", combine)):
                self.add_module(f"{name}{layer}", module)
            self.layers.append((aggregate, self_loop, combine))
            width = embedding_size

    def forward(self, edges: Edges, e: Tensor, at: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the last X of users and items, all or the rows `at`, and the mean square of P."""
        if self.projection is None:
            g = self.rows.table()
        else:
            g, _ = self.rows.project(self.projection.weight, self.projection.bias, None, keep=False)
        weights = [LayerWeights(W["weight"], S.weight, S.bias, C.weight, C.bias) for W, S, C in self.layers]
        users, items, square = graph_layers(edges, (self.preference, g), e, weights, self.rows.compute_dtype, at)
        return users, items, square / self.preference.numel()


def projected_modalities(setting: str, features: Mapping[str, Features]) -> set[str]:
    """Return the modalities that the setting `projected` names. Raises SettingsError if the data set lacks one."""
    if setting.strip() in ("", "none"):
        return set()
    if setting.strip() == "auto":
        return {name for name, modality in features.items() if name == "image" or modality.width > WIDE}
    names = {name.strip() for name in setting.split(",") if name.strip()}
    for name in sorted(names - set(features)):
        raise SettingsError(
            f'setting "projected" of mmgcn names "{name}", a modality that the data set lacks',
            hint=did_you_mean(name, {*features, "auto", "none"}),
        )
    return names
