"""One hypothesis profile for the whole suite: the same examples in every run, and no deadlines."""

import os

from hypothesis import settings

# Threads that wait shall sleep: on a busy machine, thousands of tiny kernels that spin take ten times as long. OpenMP
# reads this when the first kernel module is loaded, so it is set before refconv is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.register_profile("refconv", deadline=None, derandomize=True, print_blob=True, max_examples=40)
settings.load_profile("refconv")
