"""The processor: its instruction sets, threads and limits."""
