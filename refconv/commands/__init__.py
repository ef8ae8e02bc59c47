"""What the commands of ``refconv`` do; :mod:`refconv.cli` says how they are called."""
