"""What a bundle was trained with: a bill of materials of the environment, CycloneDX 1.6 as JSON.

The same environment gives the same bytes: no moment and no serial number stand in it, and components are in order. It
is a file of the bundle, so that the bundle's id and its signatures cover it.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions, version
from typing import Any

SBOM = "sbom.json"
_OURS = "open-inspector"


def bill_of_materials(installed: Iterable[Distribution] | None = None) -> bytes:
    """Return the packages that are installed where this runs, each once, with version and licence."""
    found = distributions() if installed is None else installed
    components = {_name(one): _component(one) for one in sorted(found, key=_name, reverse=True) if one.metadata["Name"]}
    ours = components.pop(_OURS, {"type": "application", "name": _OURS, "version": version(_OURS)})
    python = {"type": "platform", "name": platform.python_implementation(), "version": platform.python_version()}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**ours, "type": "application"}},
        "components": [python, *(components[name] for name in sorted(components))],
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _name(one: Distribution) -> str:
    """The name as package indexes normalise it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", one.metadata["Name"] or "").lower()


def _component(one: Distribution) -> dict[str, Any]:
    name = _name(one)
    component: dict[str, Any] = {"type": "library", "name": name, "version": one.version}
    component |= {"purl": f"pkg:pypi/{name}@{one.version}", "bom-ref": f"{name}@{one.version}"}
    expression = one.metadata.json.get("license_expression")
    return component | ({"licenses": [{"expression": expression}]} if expression else {})
