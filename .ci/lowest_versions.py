"""Print pip constraints for the lowest versions of refconv's requirements.

The requirement ``name>=1.24`` becomes the constraint ``name==1.24.*``.
"""

from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.version import Version

# Newer releases deprecate functions that matplotlib 3.9 calls, and the tests turn warnings into errors.
CONTEMPORARIES = ["pyparsing<3.3"]


def constraints(texts):
    """Return a constraint to the lowest minor version of each requirement with a lower bound.

    Markers and extras are dropped. A package that several extras require gets the lowest of its bounds.
    """
    lowest = {}
    for requirement in map(Requirement, texts):
        for bound in requirement.specifier:
            if bound.operator == ">=":
                release = bound.version if "." in bound.version else f"{bound.version}.0"
                lowest[requirement.name] = min(release, lowest.get(requirement.name, release), key=Version)
    return [f"{name}=={release}.*" for name, release in lowest.items()]


if __name__ == "__main__":
    print(*constraints(requires("refconv")), *CONTEMPORARIES, sep="\n")
