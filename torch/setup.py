# SPDX-License-Identifier: Apache-2.0
"""Builds the extension module ringcoll._C against the PyTorch that is installed. See docs/pytorch.md."""

import re
from pathlib import Path

from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

# The headers are the repository's own, one folder up; paths in setup() must be relative to this file.
here = Path(__file__).parent
roots = ["../include"] + [f"../transports/{name}/include" for name in ("bootstrap", "shm", "tcp")]
numbers = re.findall(r"#define RINGCOLL_VERSION_\w+ (\d+)", (here / "../include/ringcoll/version.hpp").read_text())

setup(
    version=".".join(numbers[:3]),
    ext_modules=[
        CppExtension(
            "ringcoll._C",
            sorted(str(path.relative_to(here)) for path in (here / "src").glob("*.cpp")),
            include_dirs=[str((here / root).resolve()) for root in roots],
            define_macros=[(f"RINGCOLL_WITH_{name}", "1") for name in ("BOOTSTRAP", "SHM", "TCP")],
            extra_compile_args=["-std=c++20", "-O2", "-fvisibility=hidden"],
            libraries=["crypto"],
        )
    ],
    cmdclass={"build_ext": BuildExtension},
)
