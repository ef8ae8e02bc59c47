"""The operators a user calls: they check their arguments, pick the engine, and call it. ``refconv`` re-exports them."""
