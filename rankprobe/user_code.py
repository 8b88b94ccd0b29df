"""Functions of the user's, named as ``module:function``. Only call this with their consent."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rankprobe.errors import RankprobeError

_PREFIX = "_rankprobe_"


def is_own(module: str) -> bool:
    """Whether a module of this name is the file of a `UserCode`."""
    return module.startswith(_PREFIX)


@dataclass(frozen=True)
class UserCode:
    """Where code of the user's is.

    Attributes:
        factory: ``module:function``. The module is a file beside the settings, else any module
            that can be imported.
        folder: Folder of the settings.
    """

    factory: str
    folder: Path

    @property
    def module(self) -> str:
        """Name of the module."""
        return self.factory.partition(":")[0]

    @property
    def file(self) -> Path:
        """Where the module would be beside the settings."""
        return (self.folder / f"{self.module.replace('.', '/')}.py").absolute()

    def function(self, error: type[RankprobeError]) -> Callable[..., Any]:
        """The function.

        Raises:
            RankprobeError: Of the given kind: no such module, one that fails, no such function.
        """
        name, _, attribute = self.factory.partition(":")
        try:
            module = self._loaded() if self.file.is_file() else importlib.import_module(name)
        except Exception as failure:
            raise error(
                f"the module of `{self.factory}` cannot be imported: "
                f"{type(failure).__name__}: {failure}"
            ) from failure
        function = getattr(module, attribute, None)
        if not callable(function):
            raise error(f"the module `{name}` has no function `{attribute}`")
        return function  # type: ignore[no-any-return]

    def _loaded(self) -> ModuleType:
        """The module of the file, by a name of our own that no other module has.

        It is executed again only where the file is another, or has changed.
        """
        made_of = f"{self.file}|{self.hash()}".encode()
        name = f"{_PREFIX}{hashlib.sha256(made_of).hexdigest()[:16]}_{self.module}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, self.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    def hash(self) -> str:
        """sha256 of the module's file; empty where it has none beside the settings."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest() if self.file.is_file() else ""


def code_folder(factory: str, folders: Sequence[Path], error: type[RankprobeError]) -> Path:
    """The first folder that holds the file of some code; the working folder if it is installed.

    Args:
        factory: ``module:function``.
        folders: Where to look before the working folder, the likeliest first.
        error: Kind of the error.

    Raises:
        RankprobeError: Of the given kind: the code is nowhere.
    """
    places = [*folders, Path()]
    for folder in places:
        if UserCode(factory, folder).file.is_file():
            return folder
    module = UserCode(factory, Path()).module
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        there = ", ".join(dict.fromkeys(str(folder.absolute()) for folder in places))
        raise error(
            f"the network is made by `{factory}`, and the module `{module}` is not installed and "
            f"not in {there}; run the command in the folder where it lies"
        )
    return Path()
