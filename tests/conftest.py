"""One thread a process: the tests' tensors are small, and a shared core makes two threads slow."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
