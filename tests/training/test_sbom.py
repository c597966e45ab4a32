"""The bill of materials: CycloneDX, each package once, the same bytes of the same environment."""

from __future__ import annotations

import json
from importlib.metadata import version

from training.sbom import bill_of_materials


def test_the_bill_is_cyclonedx_and_names_the_packages_with_their_versions() -> None:
    told = json.loads(bill_of_materials())
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    found = {each["name"]: each for each in told["components"]}
    assert len(found) == len(told["components"])
    assert found["numpy"]["version"] == version("numpy")
    assert found["numpy"]["purl"] == f"pkg:pypi/numpy@{version('numpy')}"
    assert "open-inspector" not in found
    assert told["metadata"]["component"]["name"] == "open-inspector"


def test_the_same_environment_gives_the_same_bytes() -> None:
    assert bill_of_materials() == bill_of_materials()
