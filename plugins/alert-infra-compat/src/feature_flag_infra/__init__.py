"""The older name of alert_infra: each of its modules is alert_infra's own, by another name."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

_HOME: Final = Path(__file__).parents[1] / "alert_infra"


class _Alias(MetaPathFinder, Loader):
    """Finds `feature_flag_infra.x` where `alert_infra.x` is, and gives that very module."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system's arguments
        target: ModuleType | None = None,  # noqa: ARG002 - as above
    ) -> ModuleSpec | None:
        """Answer for what is below this package. It imports nothing: Python holds its one import lock meanwhile."""
        if not fullname.startswith(f"{__name__}."):
            return None
        _, *parents, _ = fullname.split(".")
        real = PathFinder.find_spec(_real(fullname), [str(_HOME.joinpath(*parents))])
        # A package from the first: another thread may import what is below it before the real one is in its place.
        return ModuleSpec(fullname, self, is_package=real.submodule_search_locations is not None) if real else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the real module in the place of the new one: the import system takes it from there."""
        sys.modules[module.__name__] = import_module(_real(module.__name__))


def _real(name: str) -> str:
    return f"alert_infra{name.removeprefix(__name__)}"


sys.meta_path.insert(0, _Alias())
# After the finder: another thread may import a module of this package while this one is still here.
from alert_infra import *  # noqa: E402, F403 - see above; the same names
from alert_infra import __all__ as __all__  # noqa: E402 - as above
