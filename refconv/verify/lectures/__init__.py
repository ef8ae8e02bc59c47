"""The statements of the lectures, and the index of the code that implements each of them."""
