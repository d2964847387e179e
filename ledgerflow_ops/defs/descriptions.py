"""What every asset says of itself besides its description: owner, environment, code and its version."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from ledgerflow_ops.adapters.system.git_clone import published_source
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.names import OWNERS
from ledgerflow_ops.defs.versions import CODE_VERSIONS
from ledgerflow_ops.places import PROJECT

Asset = dg.AssetsDefinition | dg.AssetSpec
_ANCHOR = "pyproject.toml"


def described(assets: Sequence[Asset]) -> Sequence[Any]:
    """The assets with their owners, code versions, environment as a tag, and references to their code.

    The references lead to GitHub or GitLab if the clone came from there, else to the files.
    """
    owned = dg.map_asset_specs(_with_owner, list(assets))
    referenced = dg.with_source_code_references(owned)
    published = published_source(PROJECT)
    if published is None:
        return referenced
    url, branch = published
    mapping = dg.AnchorBasedFilePathMapping(
        local_file_anchor=PROJECT / _ANCHOR, file_anchor_path_in_repository=_ANCHOR
    )
    return dg.link_code_references_to_git(referenced, url, branch, mapping)


def _with_owner(spec: dg.AssetSpec) -> dg.AssetSpec:
    name = spec.key.path[0]
    tags = {"environment": name} if name in set(Environment) else {}
    version = CODE_VERSIONS.get(spec.key.path[-1])
    return spec.replace_attributes(owners=OWNERS, tags={**spec.tags, **tags}, code_version=version)
