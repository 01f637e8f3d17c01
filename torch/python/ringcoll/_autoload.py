# SPDX-License-Identifier: Apache-2.0


def register():
    """Called by `import torch`. Importing the package is enough; if it is what imports torch, it will finish later."""
    import ringcoll  # noqa: F401
