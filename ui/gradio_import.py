"""Gradio imported without what it writes into its own folder.

A first import writes type stubs and a random seed beside Gradio's sources: into an installation that belongs to
whoever made it. Neither is needed: nobody edits these files here, and a seed may differ from process to process, since
it only names the folders of uploads, and a visitor is told the whole path.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: What takes the place of each function that writes. Others copy these names when they are imported, so they are
#: replaced as soon as their own module is there.
_HARMLESS: dict[str, dict[str, Callable[..., Any]]] = {
    "gradio.component_meta": {"create_or_modify_pyi": lambda *_: None},
    "gradio.utils": {"get_hash_seed": lambda: uuid.uuid4().hex},
}


def import_gradio() -> None:
    """Import Gradio, if it is not imported yet, and let it write nothing."""
    if "gradio" in sys.modules:
        return
    _import_pandas()
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        import gradio  # noqa: F401 - the import is the point
    finally:
        sys.meta_path.remove(finder)


def _import_pandas() -> None:
    """Import pandas, which Gradio needs, as where there is no pyarrow.

    Where the extra `batch` is installed pandas loads pyarrow, 15 to 30 MB, for kinds of columns that the page has none
    of. What reads Parquet files here imports pyarrow itself, when a file comes.
    """
    if "pandas" in sys.modules or "pyarrow" in sys.modules:
        return
    sys.modules["pyarrow"] = None  # type: ignore[assignment]  # the word for "cannot be imported"
    try:
        import pandas as pd  # noqa: F401 - the import is the point
    finally:
        del sys.modules["pyarrow"]


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of which a function is replaced, where they always are."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _HARMLESS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads a module as its own loader does, then replaces functions of it."""

    def __init__(self, own: importlib.abc.Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module is its own loader's from here on: Gradio reads its version through it.
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        for name, harmless in _HARMLESS[module.__name__].items():
            getattr(module, name)  # a Gradio that has no such function is one this has to be written anew for
            setattr(module, name, harmless)
